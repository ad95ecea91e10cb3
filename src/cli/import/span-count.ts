import { WireError, WireReader } from "../../util/wire-reader.ts";
import { ImportFileError } from "./import-file-error.ts";

/** Fields of TracesData, ResourceSpans, ScopeSpans: all there are, and the one that leads to spans. */
const LEVELS = [
  { known: 0b10, inner: [0x0a] },
  { known: 0b1110, inner: [0x12, (1000 << 3) | 2] },
  { known: 0b1110, inner: [0x12] },
] as const;

/** Spans of a request. Throws an `ImportFileError` when it is none, as far as that shows here. */
export function spanCount(request: Uint8Array): number {
  const reader = new WireReader();
  reader.reset(request);
  try {
    return countWithin(reader, request.length, 0);
  } catch (cause) {
    if (!(cause instanceof WireError)) throw cause;
    throw new ImportFileError(`this is no OTLP: ${cause.message} of a message`, { cause });
  }
}

function countWithin(reader: WireReader, end: number, level: 0 | 1 | 2): number {
  const { known, inner } = LEVELS[level];
  let count = 0;
  while (reader.pos < end) {
    const tag = reader.tag(end);
    if ((inner as readonly number[]).includes(tag)) {
      const innerEnd = reader.sub(end);
      if (level === 2) count++;
      else count += countWithin(reader, innerEnd, level === 0 ? 1 : 2);
      reader.pos = innerEnd;
    } else if ((tag & 7) === 2) reader.pos = reader.sub(end);
    else reader.skip(tag, known, end);
  }
  return count;
}
