/** Which JavaScript runtime this is; only `src/runtime` and `src/drivers` may ask. */
export const platform: "node" | "bun" | "deno" =
  "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
