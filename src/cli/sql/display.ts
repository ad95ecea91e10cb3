/** Terminal columns of a character: the wide ones of East Asia and emoji take two, marks none. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const NO_WIDTH = /\p{Mn}|\p{Me}|\p{Cf}/u;
// A terminal would obey these, and spans' texts come from anywhere.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Text without anything that a terminal would obey. */
export function printable(text: string): string {
  return text.replace(CONTROL, (char) => {
    if (char === "\n") return "\\n";
    if (char === "\t") return "\\t";
    if (char === "\r") return "\\r";
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

export function displayWidth(text: string): number {
  let width = 0;
  for (const char of text) width += charWidth(char);
  return width;
}

/** Cut to `width` columns with a final `…`, or filled with blanks. */
export function fitted(text: string, width: number, align: "left" | "right"): string {
  const own = displayWidth(text);
  if (own <= width) {
    const blanks = " ".repeat(width - own);
    return align === "right" ? blanks + text : text + blanks;
  }
  let cut = "";
  let used = 0;
  for (const char of text) {
    const next = used + charWidth(char);
    if (next > width - 1) break;
    cut += char;
    used = next;
  }
  return `${cut}…${" ".repeat(Math.max(0, width - 1 - used))}`;
}

function charWidth(char: string): number {
  if (char < "\u0300") return 1;
  if (NO_WIDTH.test(char)) return 0;
  return WIDE.test(char) ? 2 : 1;
}
