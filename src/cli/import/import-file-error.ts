/** A ResourceSpans of a file, and a message of a framed one, in bytes: beyond it nothing is held. */
export const MAX_PART_BYTES = 64 * 1024 * 1024;

/** What is wrong with a file; the others are imported all the same. */
export class ImportFileError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ImportFileError";
  }
}
