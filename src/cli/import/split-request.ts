import { WireReader } from "../../util/wire-reader.ts";
import { WireWriter } from "../../util/wire-writer.ts";

const RESOURCE_SPANS_TAG = 0x0a;
const SCOPE_SPANS_TAG = 0x12;
/** Of `instrumentation_library_spans`, as old senders wrote it. */
const FORMER_SCOPE_SPANS_TAG = (1000 << 3) | 2;
const SPAN_TAG = 0x12;

/** Start and end of a field, its tag included. */
type Range = readonly [start: number, end: number];

/**
 * A request as several of about `maxBytes`, none without spans. Each ResourceSpans and ScopeSpans that
 * is split brings what it says beside its spans into every piece. `request` is well formed.
 */
export function* splitRequest(
  request: Uint8Array,
  maxBytes: number,
): Generator<Uint8Array<ArrayBuffer>, void, void> {
  const pieces = new Pieces(request, maxBytes);
  for (const group of fieldsOf(request, [0, request.length])) {
    if (group.tag !== RESOURCE_SPANS_TAG) continue;
    const head = rangesOf(request, group.content, (tag) => !isScopeSpans(tag));
    for (const scope of fieldsOf(request, group.content)) {
      if (!isScopeSpans(scope.tag)) continue;
      const scopeHead = rangesOf(request, scope.content, (tag) => tag !== SPAN_TAG);
      for (const { tag, range } of fieldsOf(request, scope.content)) {
        if (tag === SPAN_TAG) yield* pieces.add(head, scopeHead, range);
      }
    }
  }
  yield* pieces.finish();
}

type ScopePiece = { readonly head: readonly Range[]; readonly spans: Range[] };
type ResourcePiece = { readonly head: readonly Range[]; readonly scopes: ScopePiece[] };

/** Collects spans with their owners until there are enough for a piece. */
class Pieces {
  readonly #source: Uint8Array;
  readonly #maxBytes: number;
  #groups: ResourcePiece[] = [];
  #bytes = 0;

  constructor(source: Uint8Array, maxBytes: number) {
    this.#source = source;
    this.#maxBytes = maxBytes;
  }

  *add(head: readonly Range[], scopeHead: readonly Range[], span: Range) {
    const bytes = span[1] - span[0];
    if (this.#bytes > 0 && this.#bytes + bytes > this.#maxBytes) yield* this.finish();
    let group = this.#groups.at(-1);
    if (group?.head !== head) {
      group = { head, scopes: [] };
      this.#groups.push(group);
      this.#bytes += bytesOf(head);
    }
    let scope = group.scopes.at(-1);
    if (scope?.head !== scopeHead) {
      scope = { head: scopeHead, spans: [] };
      group.scopes.push(scope);
      this.#bytes += bytesOf(scopeHead);
    }
    append(scope.spans, span);
    this.#bytes += bytes;
  }

  *finish(): Generator<Uint8Array<ArrayBuffer>, void, void> {
    if (this.#groups.length === 0) return;
    const writer = new WireWriter(this.#bytes + 64);
    for (const { head, scopes } of this.#groups) {
      writer.byte(RESOURCE_SPANS_TAG);
      const group = writer.begin();
      this.#copy(writer, head);
      for (const { head: scopeHead, spans } of scopes) {
        writer.byte(SCOPE_SPANS_TAG);
        const scope = writer.begin();
        this.#copy(writer, scopeHead);
        this.#copy(writer, spans);
        writer.end(scope);
      }
      writer.end(group);
    }
    this.#groups = [];
    this.#bytes = 0;
    yield writer.bytes.subarray(0, writer.length);
  }

  #copy(writer: WireWriter, ranges: readonly Range[]): void {
    for (const [start, end] of ranges) writer.appendRange(this.#source, start, end);
  }
}

function isScopeSpans(tag: number): boolean {
  return tag === SCOPE_SPANS_TAG || tag === FORMER_SCOPE_SPANS_TAG;
}

/** Of the fields that are wanted. */
function rangesOf(source: Uint8Array, within: Range, wants: (tag: number) => boolean): Range[] {
  const ranges: Range[] = [];
  for (const { tag, range } of fieldsOf(source, within)) if (wants(tag)) append(ranges, range);
  return ranges;
}

/** Neighbours become one range, so that millions of small fields take no room. */
function append(ranges: Range[], [start, end]: Range): void {
  const last = ranges.at(-1);
  if (last?.[1] === start) ranges[ranges.length - 1] = [last[0], end];
  else ranges.push([start, end]);
}

function bytesOf(ranges: readonly Range[]): number {
  return ranges.reduce((sum, [start, end]) => sum + end - start, 0);
}

/** `content` is what a length-delimited field holds, the whole field otherwise. */
type Field = { readonly tag: number; readonly range: Range; readonly content: Range };

function* fieldsOf(source: Uint8Array, [from, to]: Range): Generator<Field, void, void> {
  const reader = new WireReader();
  reader.reset(source);
  for (let start = from; start < to; start = reader.pos) {
    reader.pos = start;
    const tag = reader.tag(to);
    if ((tag & 7) === 2) {
      const end = reader.sub(to);
      yield { tag, range: [start, end], content: [reader.pos, end] };
      reader.pos = end;
    } else {
      reader.skip(tag, 0, to);
      yield { tag, range: [start, reader.pos], content: [start, reader.pos] };
    }
  }
}
