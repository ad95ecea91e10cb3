/**
 * Gives a buffer's memory back now; the buffer is empty afterwards. Memory of buffers that wait for
 * the collector makes V8 collect the whole heap for each few dozen megabytes of them.
 */
export function freeBuffer(buffer: ArrayBuffer): void {
  buffer.transfer(0);
}

/** Frees each array that has its buffer to itself; a part of a larger buffer is left alone. */
export function freeArrays(...arrays: readonly ArrayBufferView[]): void {
  for (const { buffer, byteLength } of arrays) {
    if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) freeBuffer(buffer);
  }
}
