import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { PintailError } from "../errors.ts";
import { codeOf, reasonOf } from "./bind.ts";
import { type Endpoint, endpointText } from "./endpoint.ts";
import type { Listener } from "./listen.ts";

export type UdpOptions = {
  /** For error messages, e.g. `jaeger/thrift_compact`. */
  readonly name: string;
  readonly endpoint: Endpoint;
  /** Longer datagrams are cut to this. */
  readonly maxPacketBytes: number;
  /** Datagrams that are being handled; further ones are dropped. */
  readonly maxPending: number;
  /** Of the socket, where the runtime can set it; 0 = the system's default. */
  readonly receiveBufferBytes: number;
  /** Gets each datagram, in a buffer of its own. Handles its errors itself. */
  readonly onPacket: (packet: Uint8Array) => Promise<void>;
  readonly onDropped: () => void;
  /** Gets what a socket or `onPacket` throws unexpectedly. */
  readonly report: (error: unknown) => void;
};

/** One bound socket, whatever the runtime makes it of. */
type BoundSocket = {
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
};

type OnDatagram = (datagram: Uint8Array) => void;

/**
 * Receives datagrams on `endpoint`, on each address that `localhost` stands for. Nothing is ever sent.
 * Throws `unavailable` naming the port when it is taken.
 */
export async function listenUdp(options: UdpOptions): Promise<Listener> {
  const { onPacket, onDropped, report } = options;
  let pending = 0;
  let onIdle: (() => void) | undefined;
  const settled = (): void => {
    pending--;
    if (pending === 0) onIdle?.();
  };
  const receive: OnDatagram = (datagram) => {
    if (pending >= options.maxPending) {
      onDropped();
      return;
    }
    pending++;
    // A copy: runtimes receive into buffers many times as large.
    const packet = new Uint8Array(datagram.subarray(0, options.maxPacketBytes));
    onPacket(packet).catch(report).finally(settled);
  };
  const sockets = await bindAll(options, receive);
  return {
    port: sockets[0]!.port,
    addresses: sockets.map((socket) => socket.address),
    connectionCount: 0,
    async close(deadlineMs) {
      await Promise.all(sockets.map((socket) => socket.close()));
      if (pending === 0) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadlineMs);
        onIdle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    },
  };
}

async function bindAll(options: UdpOptions, receive: OnDatagram): Promise<BoundSocket[]> {
  const { name, endpoint } = options;
  if ("path" in endpoint) throw new PintailError("invalid", `${name} needs host:port`);
  const { host, port } = endpoint;
  const bound: BoundSocket[] = [];
  try {
    if (host === "") {
      bound.push(await bindAny(port, options, receive));
      return bound;
    }
    if (host !== "localhost") {
      bound.push(await bindOne(host, port, options, receive));
      return bound;
    }
    const first = await bindOne("127.0.0.1", port, options, receive);
    bound.push(first);
    try {
      bound.push(await bindOne("::1", first.port, options, receive));
    } catch (error) {
      // No IPv6 here, or (with a port that the system chose) somebody has that port on ::1.
      if (codeOf(error) === "EADDRINUSE" && port !== 0) throw error;
    }
    return bound;
  } catch (cause) {
    await Promise.all(bound.map((socket) => socket.close()));
    throw new PintailError(
      "unavailable",
      `${name} cannot listen on ${endpointText(endpoint)}/udp: ${reasonOf(cause)}`,
      { cause },
    );
  }
}

/** All interfaces, of IPv4 too, where the machine has IPv6; else those of IPv4. */
async function bindAny(
  port: number,
  options: UdpOptions,
  receive: OnDatagram,
): Promise<BoundSocket> {
  try {
    return await bindOne("::", port, options, receive);
  } catch (error) {
    if (codeOf(error) === "EADDRINUSE") throw error;
    return bindOne("0.0.0.0", port, options, receive);
  }
}

function bindOne(
  host: string,
  port: number,
  options: UdpOptions,
  receive: OnDatagram,
): Promise<BoundSocket> {
  const listenDatagram = denoListenDatagram();
  if (listenDatagram !== undefined) {
    return bindDeno(listenDatagram, host, port, options, receive);
  }
  return bindNode(host, port, options, receive);
}

function bindNode(
  host: string,
  port: number,
  options: UdpOptions,
  receive: OnDatagram,
): Promise<BoundSocket> {
  const socket: Socket = createSocket({ type: isIPv6(host) ? "udp6" : "udp4" });
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      socket.close();
      reject(error);
    };
    socket.once("error", fail);
    socket.bind({ address: host, port }, () => {
      socket.off("error", fail);
      socket.on("error", options.report);
      if (options.receiveBufferBytes > 0) {
        try {
          socket.setRecvBufferSize(options.receiveBufferBytes);
        } catch (error) {
          options.report(error);
        }
      }
      socket.on("message", receive);
      const { address, port: bound } = socket.address();
      resolve({
        address,
        port: bound,
        close: () => new Promise((closed) => socket.close(() => closed())),
      });
    });
  });
}

/** What is used here of Deno's own datagram sockets: its node:dgram loses most of a burst. */
type DenoDatagramSocket = AsyncIterable<readonly [Uint8Array, unknown]> & {
  readonly addr: { readonly hostname: string; readonly port: number };
  close(): void;
};
type DenoListenDatagram = (options: {
  readonly hostname: string;
  readonly port: number;
  readonly transport: "udp";
}) => DenoDatagramSocket;

/** Deno has it only where its unstable network functions are allowed. */
function denoListenDatagram(): DenoListenDatagram | undefined {
  const deno = (globalThis as { Deno?: { listenDatagram?: DenoListenDatagram } }).Deno;
  return deno?.listenDatagram?.bind(deno);
}

async function bindDeno(
  listenDatagram: DenoListenDatagram,
  hostname: string,
  port: number,
  options: UdpOptions,
  receive: OnDatagram,
): Promise<BoundSocket> {
  const socket = listenDatagram({ hostname, port, transport: "udp" });
  const { addr } = socket;
  let closing = false;
  const reading = (async () => {
    for await (const [datagram] of socket) receive(datagram);
  })().catch((error: unknown) => {
    if (!closing) options.report(error);
  });
  return {
    address: addr.hostname,
    port: addr.port,
    async close() {
      closing = true;
      socket.close();
      await reading;
    },
  };
}
