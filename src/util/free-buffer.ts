/**
 * Gives a buffer's memory back now; the buffer is empty afterwards. Memory of buffers that wait for
 * the collector makes V8 collect the whole heap for each few dozen megabytes of them.
 */
export function freeBuffer(buffer: ArrayBuffer): void {
  buffer.transfer(0);
}

/** Frees what `bytes` has to itself; a part of a larger buffer is left alone. */
export function freeBytes({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) freeBuffer(buffer);
}
