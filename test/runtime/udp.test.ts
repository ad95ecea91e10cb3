import { createSocket, type Socket } from "node:dgram";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Listener } from "../../src/runtime/listen.ts";
import { listenUdp, type UdpOptions } from "../../src/runtime/udp.ts";
import { eventually } from "./support.ts";

const listeners: Listener[] = [];
const clients: Socket[] = [];
let packets: Uint8Array[];
let dropped: number;
const reports: unknown[] = [];

beforeEach(() => {
  packets = [];
  dropped = 0;
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await Promise.all(listeners.splice(0).map((listener) => listener.close(0)));
  expect(reports.splice(0)).toEqual([]);
});

async function listen(options: Partial<UdpOptions> = {}): Promise<Listener> {
  const listener = await listenUdp({
    name: "test",
    endpoint: { host: "127.0.0.1", port: 0 },
    maxPacketBytes: 65_000,
    maxPending: 1000,
    receiveBufferBytes: 0,
    onPacket: async (packet) => {
      packets.push(packet);
    },
    onDropped: () => {
      dropped++;
    },
    report: (error) => reports.push(error),
    ...options,
  });
  listeners.push(listener);
  return listener;
}

function send(port: number, bytes: Uint8Array, host = "127.0.0.1"): Promise<void> {
  const client = createSocket(host.includes(":") ? "udp6" : "udp4");
  clients.push(client);
  return new Promise((resolve, reject) => {
    client.send(bytes, port, host, (error) => (error ? reject(error) : resolve()));
  });
}

test("datagrams arrive, each in a buffer of its own, large ones cut", async () => {
  const { port } = await listen({ maxPacketBytes: 1000, receiveBufferBytes: 100_000 });
  await send(port, Uint8Array.of(1, 2));
  await eventually(() => packets.length === 1);
  expect([...packets[0]!]).toEqual([1, 2]);
  expect(packets[0]!.buffer.byteLength).toBe(2);
  await send(port, new Uint8Array(1001).fill(7));
  await eventually(() => packets.length === 2);
  expect(packets[1]!.length).toBe(1000);
  await send(port, new Uint8Array(0));
  await eventually(() => packets.length === 3);
  expect(packets[2]!.length).toBe(0);
});

test("localhost is both addresses", async () => {
  const { port, addresses } = await listen({ endpoint: { host: "localhost", port: 0 } });
  expect(addresses[0]).toBe("127.0.0.1");
  for (const address of addresses) await send(port, Uint8Array.of(1), address);
  await eventually(() => packets.length === addresses.length);
});

test("no host is all interfaces", async () => {
  const { port } = await listen({ endpoint: { host: "", port: 0 } });
  await send(port, Uint8Array.of(1));
  await eventually(() => packets.length === 1);
});

test("what comes while too many are handled is dropped and counted", async () => {
  const waiting: (() => void)[] = [];
  const onPacket = (packet: Uint8Array) => {
    packets.push(packet);
    return new Promise<void>((resolve) => waiting.push(resolve));
  };
  const { port } = await listen({ maxPending: 2, onPacket });
  for (let i = 0; i < 5; i++) await send(port, Uint8Array.of(i));
  await eventually(() => packets.length === 2 && dropped === 3);
  for (const resolve of waiting.splice(0)) resolve();
  await new Promise((resolve) => setTimeout(resolve, 1));
  await send(port, Uint8Array.of(9));
  await eventually(() => packets.length === 3);
  waiting[0]!();
});

test("closing waits for those that are handled, but not for ever", async () => {
  let finish = (): void => {};
  const listener = await listen({
    onPacket: (packet) => {
      packets.push(packet);
      return new Promise<void>((resolve) => {
        finish = resolve;
      });
    },
  });
  await send(listener.port, Uint8Array.of(1));
  await eventually(() => packets.length === 1);
  let closed = false;
  const closing = listener.close(60_000).then(() => {
    closed = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(closed).toBe(false);
  finish();
  await closing;

  const other = await listen({ onPacket: () => new Promise(() => {}) });
  await send(other.port, Uint8Array.of(1));
  await new Promise((resolve) => setTimeout(resolve, 20));
  await other.close(10);
  listeners.length = 0;
});

test("what a handler throws is reported, and the next datagram is taken", async () => {
  const { port } = await listen({
    maxPending: 1,
    onPacket: async (packet) => {
      packets.push(packet);
      throw new Error("boom");
    },
  });
  await send(port, Uint8Array.of(1));
  await eventually(() => reports.length === 1);
  await send(port, Uint8Array.of(2));
  await eventually(() => reports.length === 2);
  reports.length = 0;
});

test("a port that is taken, and a path, are told", async () => {
  const { port } = await listen();
  await expect(listen({ endpoint: { host: "127.0.0.1", port } })).rejects.toThrow(
    `test cannot listen on 127.0.0.1:${port}/udp: address already in use`,
  );
  await expect(listen({ endpoint: { path: "/x" } })).rejects.toThrow("needs host:port");
});
