/** Names of devices and sensors as plants in every country give them, and as nobody should. */
import type { SensorKey } from '../../domain/sensor.ts';

const long = (letters: string): string => letters.repeat(128).slice(0, 128);

/** Pairs of names, no two of which may ever meet: in SQL, in a blob's name, in an id, in a page. */
export const SCRIPTS: readonly SensorKey[] = [
  { device: 'pump-1', sensor: 'vibration' },
  { device: 'Pump-1', sensor: 'vibration' },
  { device: '泵站一号', sensor: '轴承温度' },
  { device: long('漢字'), sensor: long('測定') },
  { device: 'مضخة المياه', sensor: 'اهتزاز' },
  { device: long('ضاغط'), sensor: long('حرارة') },
  { device: 'משאבה', sensor: 'לחץ "1"' },
  { device: 'Насос №1', sensor: long('температура') },
  { device: 'αντλία', sensor: 'πίεση' },
  { device: 'पंप', sensor: 'तापमान' },
  { device: 'เครื่องสูบน้ำ', sensor: 'ความดัน' },
  { device: '펌프', sensor: '온도' },
  { device: 'ポンプ', sensor: 'ﾎﾟﾝﾌﾟ' },
  { device: 'ტუმბო', sensor: 'წნევა' },
  { device: 'ፓምፕ', sensor: 'ሙቀት' },
  { device: 'பம்பு', sensor: 'அழுத்தம்' },
  { device: '𠮷野家', sensor: '𝕋emp' },
  { device: 'a\u0301e\u0301', sensor: 'decomposed' },
  { device: '\u00e1\u00e9', sensor: 'decomposed' },
  { device: '../..', sensor: 'a/b\\c' },
  { device: 't%41', sensor: 'tA' },
  { device: 'q\'x"--', sensor: 'x=1+1' },
  { device: '<b>|*_`', sensor: '${x} {{y}}' },
  { device: 'con', sensor: 'NUL.csv' },
];
