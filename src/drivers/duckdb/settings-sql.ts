export type SettingValue = string | number | boolean | readonly string[];

/** A setting's value as SQL. */
export function quoteSetting(value: SettingValue): string {
  if (typeof value === "string") return `'${value.replaceAll("'", "''")}'`;
  if (typeof value === "object") return `[${value.map(quoteSetting).join(", ")}]`;
  return String(value);
}
