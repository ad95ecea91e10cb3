/** What all segments' keys begin with. */
export const SEGMENTS_PREFIX = "segments/";
/** Which catalog writes into the bucket. */
export const OWNER_KEY = "owner.json";
/** What was redacted and may still be in segments. */
export const REDACTIONS_KEY = "redactions.json";

const SUFFIX = ".parquet";
/** Names of a key have 200 characters at most; a tenant of signs alone would have more. */
const MAX_NAME = 180;
const SEGMENT_ID = /^[0-9A-HJKMNP-TV-Z]{26}$/;

/**
 * `segments/<tenant>/<id>.parquet`. Letters, digits, `_`, `-` and `.` of a tenant stay as they are;
 * everything else, and a dot in front, becomes `=` and two hex digits of each byte. What is too long
 * for one name goes on in the next one, behind `=/`.
 */
export function segmentKey(segment: { readonly tenant: string; readonly id: string }): string {
  return `${SEGMENTS_PREFIX}${encodeTenant(segment.tenant)}/${segment.id}${SUFFIX}`;
}

/** The segment of a key that `segmentKey` made; undefined for any other key. */
export function parseSegmentKey(key: string): { tenant: string; id: string } | undefined {
  if (!key.startsWith(SEGMENTS_PREFIX) || !key.endsWith(SUFFIX)) return undefined;
  const slash = key.lastIndexOf("/");
  const id = key.slice(slash + 1, -SUFFIX.length);
  const encoded = key.slice(SEGMENTS_PREFIX.length, slash);
  if (!SEGMENT_ID.test(id)) return undefined;
  const tenant = decodeTenant(encoded);
  // One key a segment: another spelling of the same tenant is none of ours.
  if (tenant === undefined || encodeTenant(tenant) !== encoded) return undefined;
  return { tenant, id };
}

function encodeTenant(tenant: string): string {
  const names: string[] = [];
  let name = "";
  for (const character of tenant) {
    const plain = /[A-Za-z0-9_-]/.test(character) || (character === "." && name !== "");
    const text = plain ? character : escaped(character);
    // The first character of the next name is looked at again: it may be a dot.
    if (name.length + text.length > MAX_NAME) {
      names.push(`${name}=`);
      name = character === "." ? escaped(character) : text;
    } else name += text;
  }
  return [...names, name].join("/");
}

function escaped(character: string): string {
  const bytes = new TextEncoder().encode(character);
  return [...bytes].map((b) => `=${b.toString(16).toUpperCase().padStart(2, "0")}`).join("");
}

function decodeTenant(encoded: string): string | undefined {
  const joined = encoded.replaceAll("=/", "");
  if (!/^(?:[A-Za-z0-9_.-]|=[0-9A-F]{2})+$/.test(joined)) return undefined;
  const bytes = joined.replace(/=([0-9A-F]{2})/g, (_, hex: string) => {
    return String.fromCharCode(Number.parseInt(hex, 16));
  });
  try {
    const utf8 = Uint8Array.from(bytes, (c) => c.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(utf8);
  } catch {
    return undefined;
  }
}
