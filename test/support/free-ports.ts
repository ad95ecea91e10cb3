import { createServer } from "node:net";

/**
 * Below the kernel's ephemeral range, where any outgoing connection may take a port between the
 * look and its use; each test worker has ports of its own, so that no two processes are given one.
 */
const FIRST_PORT = 16_000;
const PORTS_PER_WORKER = 2_000;
const WORKERS = 8;

const worker = Number(process.env.VITEST_POOL_ID ?? 0) % WORKERS;
let next = process.pid * 37;

/** Ports of 127.0.0.1 that are free for TCP, given out once in a process. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < count; tries++) {
    if (tries > PORTS_PER_WORKER) throw new Error("no free port");
    const port = FIRST_PORT + worker * PORTS_PER_WORKER + (next++ % PORTS_PER_WORKER);
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
