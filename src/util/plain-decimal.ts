/** The shortest decimal that reads back as `value`, never with an exponent; `NaN`, `+Inf`, `-Inf`. */
export function plainDecimal(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  const text = String(value);
  const at = text.indexOf("e");
  if (at < 0) return Object.is(value, -0) ? "-0" : text;
  const exponent = Number(text.slice(at + 1));
  const sign = value < 0 ? "-" : "";
  const digits = text.slice(sign.length, at).replace(".", "");
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  return sign + digits.padEnd(exponent + 1, "0");
}
