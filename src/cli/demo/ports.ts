import { createServer } from "node:net";

/**
 * Rejects, naming the port and the variable that moves it, when something listens there already.
 * Two ports may be checked one after the other only: nothing reserves them.
 */
export async function requireFreePort(port: number, use: string, variable: string): Promise<void> {
  const code = await new Promise<string | undefined>((resolve) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    probe.listen({ port, exclusive: true }, () => probe.close(() => resolve(undefined)));
  });
  if (code === undefined) return;
  const reason =
    code === "EADDRINUSE" ? "is in use" : code === "EACCES" ? "is not allowed" : `fails (${code})`;
  throw new Error(`port ${port} for ${use} ${reason}; set ${variable} to another one`);
}
