import { concatBytes } from "../../util/concat-bytes.ts";

export type DownloadParts = {
  readonly request: Request;
  readonly contentType: string;
  /** The body's pieces; asked for when the client took those before. */
  readonly open: (signal: AbortSignal) => AsyncGenerator<Uint8Array<ArrayBuffer>, void, void>;
  /** Called once. `error` is what cut the body short, when it was not the client. */
  readonly onEnd: (error?: unknown) => void;
};

/** Small pieces are sent together. */
const CHUNK_BYTES = 64 * 1024;

/**
 * A body that is made as it is sent. Rejects when making it fails before its first bytes; a later
 * failure cuts the connection, so that the client sees that the body is not whole.
 */
export async function downloadStream({
  request,
  contentType,
  open,
  onEnd,
}: DownloadParts): Promise<Response> {
  const gone = new AbortController();
  const pieces = open(AbortSignal.any([gone.signal, request.signal]));
  let ended = false;
  const end = (error?: unknown): void => {
    if (ended) return;
    ended = true;
    onEnd(error);
  };
  let next: Chunk;
  try {
    next = await nextChunk(pieces);
  } catch (error) {
    end();
    throw error;
  }
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        try {
          // The first was asked for before; the next is made while this one is sent.
          const { bytes, last } = next;
          if (bytes.length > 0) controller.enqueue(bytes);
          if (last) {
            controller.close();
            end();
          } else next = await nextChunk(pieces);
        } catch (error) {
          end(request.signal.aborted ? undefined : error);
          controller.error(error);
        }
      },
      async cancel() {
        gone.abort();
        end();
        await pieces.return();
      },
    },
    { highWaterMark: 1 },
  );
  return new Response(body, {
    headers: {
      "content-type": contentType,
      "cache-control": "no-store",
      // nginx collects an answer by default.
      "x-accel-buffering": "no",
    },
  });
}

type Chunk = { readonly bytes: Uint8Array<ArrayBuffer>; readonly last: boolean };

async function nextChunk(
  pieces: AsyncGenerator<Uint8Array<ArrayBuffer>, void, void>,
): Promise<Chunk> {
  const taken: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  while (length < CHUNK_BYTES) {
    const { value, done } = await pieces.next();
    if (done === true) return { bytes: concatBytes(taken), last: true };
    taken.push(value);
    length += value.length;
  }
  return { bytes: taken.length === 1 ? taken[0]! : concatBytes(taken), last: false };
}
