-- compatible-from: 4
-- A threshold on a sensor's score decides what an anomaly is, instead of its model's label: `>0.5`, `<-4.2`. Workers of a
-- version that does not know it go by the label: publish thresholds when all of them are up to date.
ALTER TABLE release_models ADD COLUMN threshold TEXT;
