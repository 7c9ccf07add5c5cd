-- compatible-from: 4
-- The length of a sensor's own windows, which are made of the fleet's; NULL: the fleet's own. Workers of a version that
-- does not know it score the fleet's windows: publish windows when all of them are up to date.
ALTER TABLE release_models ADD window_ms BIGINT NULL;
CREATE INDEX release_models_window ON release_models (release_key, window_ms) WHERE window_ms IS NOT NULL;
