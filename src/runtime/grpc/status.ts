/** The codes of gRPC, https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
export const GrpcCode = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;
export type GrpcCode = (typeof GrpcCode)[keyof typeof GrpcCode];

/** How a call ended. */
export type GrpcStatus = {
  readonly code: GrpcCode;
  readonly message: string;
  /** A serialized `google.rpc.Status`, when there are details. */
  readonly details?: Uint8Array | undefined;
};

export const GRPC_OK: GrpcStatus = { code: GrpcCode.ok, message: "" };

/** Longer messages are cut: peers bound the size of all trailers, often to 8 KiB. */
const MAX_MESSAGE_CHARS = 1024;

export function trailersOf(status: GrpcStatus): Record<string, string> {
  const trailers: Record<string, string> = { "grpc-status": String(status.code) };
  if (status.message !== "") {
    trailers["grpc-message"] = percentEncode(status.message.slice(0, MAX_MESSAGE_CHARS));
  }
  if (status.details !== undefined) {
    trailers["grpc-status-details-bin"] = Buffer.from(status.details).toString("base64");
  }
  return trailers;
}

/** Printable ASCII except `%` stays; every other UTF-8 byte becomes `%XX`. */
export function percentEncode(text: string): string {
  if (/^[ -$&-~]*$/.test(text)) return text;
  let encoded = "";
  for (const byte of new TextEncoder().encode(text)) {
    encoded +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}
