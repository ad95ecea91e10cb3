export type ConnectionType = "" | "messaging_system" | "database" | "virtual_node";

/** A call from one service to another, of which one side or both are known. */
export type Edge = {
  readonly key: string;
  /** 16 bytes. */
  readonly traceId: Uint8Array;
  readonly expiresMs: number;
  /** '' while that side has not come. */
  client: string;
  server: string;
  connectionType: ConnectionType;
  failed: boolean;
  clientSeconds: number;
  serverSeconds: number;
  /** When the producer ended and the consumer began. */
  sentUnixNano: bigint | undefined;
  receivedUnixNano: bigint | undefined;
  /** Whom the last side that came has called, or was called by, as it says; '' when it does not. */
  peer: string;
  /** The server's span has no parent. */
  isRoot: boolean;
  weight: number;
  /** Values by the labels of dimensions. */
  readonly dimensions: Map<string, string>;
};

export function isComplete({ client, server }: Edge): boolean {
  return client !== "" && server !== "";
}
