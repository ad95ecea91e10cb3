/** Words that data and queries share, so that they meet. */
export const NAMES = ["GET /cart", "auth", "pay", "db.query", "x", "", "a\nb"] as const;
export const SERVICES = ["shop", "auth", "pay", "x", ""] as const;
export const STRINGS = ["x", "y", "xy", "X", "", "nil", "200", "true", "é😀"] as const;
export const HOSTILE_STRINGS = [
  "'; DROP TABLE spans; --",
  '"; DROP TABLE spans; --',
  "\\",
  "`",
  "nul\0byte",
  "\0",
  "\u{ffff}",
  "a\r\nb",
  "%_",
] as const;
export const HOSTILE_KEYS = [
  'x"; DROP TABLE spans; --',
  "k'ey",
  "sp ace",
  "A",
  "日本",
  "a.b-c",
  "5xx",
] as const;
export const INTS = [
  0n,
  2n ** 53n,
  2n ** 53n + 1n,
  2n ** 63n - 1n,
  -(2n ** 63n),
  -1n,
  10n ** 18n,
] as const;
/** What RE2 and its copies agree on. */
export const PATTERNS = [
  "",
  ".*",
  "x",
  "x|y",
  "x.*",
  ".*y",
  "(?i)X",
  "[xy]+",
  "x?y?",
  "a.b",
  "\\d+",
  "[^x]",
  "db\\..*",
  ".*(cart|query)",
  "(x|y)*",
  "(a+)+$",
  "é.",
  "\\\\",
  "nul.byte",
] as const;
