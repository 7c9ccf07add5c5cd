/** Names and messages as nobody should give them, for property tests. */
import fc from 'fast-check';

const HOSTILE = [
  '<script>alert(1)</script>',
  '</script><script>alert(1)</script>',
  '<!--',
  ']]>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '&lt;b&gt;',
  '`${alert(1)}`',
  '\u202egnp.exe',
  '\u001b[31mred\u001b[0m',
  '\u009b2J',
  '泵-一号',
  '🏭 plant',
  'a\u0301\u0301',
  '\ud800',
  'line\nbreak',
  'tab\there',
  '\u2028',
  'x'.repeat(128),
  '漢'.repeat(60),
  '__proto__',
  'constructor',
];

export const hostileText = fc.oneof(
  fc.constantFrom(...HOSTILE),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
);
