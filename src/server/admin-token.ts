import { PintailError } from "../errors.ts";

/** Tokens of those who may change what is stored. */
export class AdminTokens {
  readonly #tokens: readonly string[];

  /** At least one, none empty. */
  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  /**
   * Throws `forbidden` unless the request has one of the tokens, as `Authorization: Bearer <token>`.
   * How long it takes says nothing of how much of a token is right.
   */
  async check(headers: Headers): Promise<void> {
    const given = /^Bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "")?.[1];
    if (given !== undefined) {
      const digest = await digestOf(given);
      let allowed = false;
      for (const token of this.#tokens) {
        allowed = areEqual(digest, await digestOf(token)) || allowed;
      }
      if (allowed) return;
    }
    throw new PintailError(
      "forbidden",
      `${given === undefined ? "this needs an admin token" : "the token is not an admin token"}: send 'Authorization: Bearer <token>' with the value of the setting pintail.admin.token or of the file admin-token in the data folder`,
    );
  }
}

async function digestOf(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ (b[i] ?? 0);
  return difference === 0;
}
