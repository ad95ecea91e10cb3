import type { CorsSettings, TlsSettings } from "../../server/settings.ts";

/** What all receivers over HTTP have in common. */
export type HttpDoorSettings = {
  /** `host:port`. */
  readonly endpoint: string;
  readonly tls: TlsSettings | undefined;
  readonly cors: CorsSettings | undefined;
  /** Applies to the body as received and again decompressed; the status beyond is the receiver's. */
  readonly maxRequestBodyBytes: number;
};
