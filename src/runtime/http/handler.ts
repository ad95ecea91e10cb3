/** What the transport tells a handler beside the request. Hono sees it as its bindings. */
export type RequestEnv = {
  /** The peer's IP address; "" for a unix socket. */
  readonly remoteAddress: string;
  /**
   * Reads the whole body without the cost of a web stream; to be used instead of `request.body`.
   * Throws `too_large` beyond `maxBytes`, `unavailable`, `canceled`.
   */
  readonly readBody: (maxBytes: number) => Promise<Uint8Array>;
  /**
   * This answer is a stream that may last: no time-out for the whole of it applies. Instead a client
   * that takes nothing for a minute is given up.
   */
  readonly keepOpen: () => void;
};

/**
 * Answers one request. `request.signal` aborts when the client goes away before the response is
 * complete.
 */
export type FetchHandler = (request: Request, env: RequestEnv) => Response | Promise<Response>;
