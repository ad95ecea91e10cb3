import type { GrpcReceiverSettings } from "../otlp/settings.ts";
import type { HttpDoorSettings } from "../shared/settings.ts";

export type UdpReceiverSettings = {
  /** `host:port`. */
  readonly endpoint: string;
  /** Datagrams that are received and not yet stored; further ones are dropped. */
  readonly queueSize: number;
  /** Longer datagrams are cut, and then do not decode. */
  readonly maxPacketBytes: number;
  /** The socket's receive buffer; 0 = the system's default. */
  readonly socketBufferBytes: number;
};

/** A door is open exactly when it has settings. */
export type JaegerReceiverSettings = {
  readonly grpc: GrpcReceiverSettings | undefined;
  /** Bodies over the limit get 500. */
  readonly thriftHttp: HttpDoorSettings | undefined;
  readonly thriftCompact: UdpReceiverSettings | undefined;
  readonly thriftBinary: UdpReceiverSettings | undefined;
};
