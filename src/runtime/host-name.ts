import { hostname } from "node:os";

/** Name of this machine in its network. */
export function hostName(): string {
  return hostname();
}
