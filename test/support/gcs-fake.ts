import { createHash } from "node:crypto";
import { ObjectFaults } from "./object-faults.ts";
import {
  type FakeProtocol,
  type FakeRequest,
  type FakeResponse,
  type ObjectServer,
  pageOf,
  rangeOf,
  startObjectServer,
} from "./object-server.ts";

export type GcsFakeObject = {
  readonly bytes: Buffer;
  readonly generation: string;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly updated: Date;
};

type Session = {
  readonly resource: Readonly<Record<string, unknown>>;
  readonly condition: string | null;
  bytes: Buffer;
  /** The answer to the last byte, which is given again when it is asked for. */
  done: FakeResponse | undefined;
};

export type GcsFake = ObjectServer & {
  readonly bucket: "fake-bucket";
  /** Looks at the authorization of each request; takes all until it is set. */
  accepts: (authorization: string | undefined) => boolean;
  /** The object that the next session completes has one bit wrong. */
  corruptNextUpload: boolean;
  readonly faults: ObjectFaults;
  readonly objects: Map<string, GcsFakeObject>;
  readonly stored: Map<string, number>;
};

const BUCKET = "fake-bucket";

/** The JSON API of Google Cloud Storage in memory. */
export async function startGcsFake(options: { seed?: number } = {}): Promise<GcsFake> {
  const faults = new ObjectFaults(options.seed ?? 1);
  const protocol = new GcsProtocol();
  const server = await startObjectServer(protocol, faults);
  const { objects, stored } = protocol;
  return {
    ...server,
    bucket: BUCKET,
    faults,
    objects,
    stored,
    get accepts() {
      return protocol.accepts;
    },
    set accepts(accepts: (authorization: string | undefined) => boolean) {
      protocol.accepts = accepts;
    },
    get corruptNextUpload() {
      return protocol.corruptNextUpload;
    },
    set corruptNextUpload(corrupt: boolean) {
      protocol.corruptNextUpload = corrupt;
    },
  };
}

class GcsProtocol implements FakeProtocol {
  accepts: (authorization: string | undefined) => boolean = () => true;
  corruptNextUpload = false;
  readonly objects = new Map<string, GcsFakeObject>();
  readonly stored = new Map<string, number>();
  readonly #sessions = new Map<string, Session>();
  #generation = 1_700_000_000_000_000;

  handle(request: FakeRequest): FakeResponse {
    const { method, url, headers } = request;
    if (!this.accepts(headers.authorization)) {
      return error(401, "Invalid Credentials");
    }
    const query = url.searchParams;
    const path = /^(\/upload)?\/storage\/v1\/b\/([^/]+)\/o(?:\/([^/]+))?$/.exec(url.pathname);
    if (path === null) return error(404, "Not Found");
    if (path[2] !== BUCKET) return error(404, "The specified bucket does not exist.");
    const name = decodeURIComponent(path[3] ?? "");
    if (path[1] !== undefined) return this.#upload(request, query);
    if (name === "") return method === "GET" ? this.#list(query) : error(405, "Not allowed");
    if (method === "DELETE") {
      return this.objects.delete(name) ? { status: 204 } : error(404, "No such object");
    }
    const found = this.objects.get(name);
    if (found === undefined) return error(404, `No such object: ${BUCKET}/${name}`);
    return query.get("alt") === "media" ? media(found, headers.range) : json(resourceOf(found));
  }

  failure(fault: "status_500" | "status_503" | "slow_down" | "late_404"): FakeResponse {
    switch (fault) {
      case "status_500":
        return error(500, "Backend Error");
      case "status_503":
        return error(503, "Service Unavailable");
      case "slow_down":
        return error(429, "The rate of requests is too high");
      case "late_404":
        return error(404, "No such object");
    }
  }

  withOtherVersion(response: FakeResponse): FakeResponse {
    if (response.headers?.["x-goog-generation"] === undefined) return response;
    return { ...response, headers: { ...response.headers, "x-goog-generation": "7" } };
  }

  #upload(request: FakeRequest, query: URLSearchParams): FakeResponse {
    const session = query.get("upload_id");
    if (session !== null) return this.#resume(session, request);
    const condition = query.get("ifGenerationMatch");
    if (query.get("uploadType") === "multipart") {
      const { resource, bytes } = parseRelated(request);
      return this.#store(resource, bytes, condition);
    }
    const resource = JSON.parse(request.body.toString()) as Record<string, unknown>;
    const refused = this.#condition(String(resource.name), condition);
    if (refused !== undefined) return refused;
    const id = `session-${this.#sessions.size + 1}`;
    this.#sessions.set(id, { resource, condition, bytes: Buffer.alloc(0), done: undefined });
    const location = new URL(request.url);
    location.searchParams.set("upload_id", id);
    return { status: 200, headers: { location: location.href } };
  }

  #resume(id: string, { method, headers, body }: FakeRequest): FakeResponse {
    const session = this.#sessions.get(id);
    if (session === undefined) return error(404, "no such session");
    if (method === "DELETE") {
      this.#sessions.delete(id);
      return { status: 499 };
    }
    if (session.done !== undefined) return session.done;
    const [, range = "", total = ""] =
      /^bytes (\*|\d+-\d+)\/(\d+)$/.exec(headers["content-range"] ?? "") ?? [];
    if (range !== "*") {
      const start = Number(range.split("-")[0]);
      if (start > session.bytes.length) return error(400, "a gap");
      session.bytes = Buffer.concat([session.bytes.subarray(0, start), body]);
    }
    if (session.bytes.length < Number(total)) {
      const last = session.bytes.length - 1;
      return { status: 308, ...(last < 0 ? {} : { headers: { range: `bytes=0-${last}` } }) };
    }
    if (this.corruptNextUpload) {
      this.corruptNextUpload = false;
      session.bytes[0]! ^= 1;
    }
    session.done = this.#store(session.resource, session.bytes, session.condition);
    return session.done;
  }

  #condition(name: string, condition: string | null): FakeResponse | undefined {
    const generation = this.objects.get(name)?.generation ?? "0";
    if (condition === null || condition === generation) return undefined;
    return error(412, "At least one of the pre-conditions you specified did not hold.");
  }

  #store(
    resource: Readonly<Record<string, unknown>>,
    bytes: Buffer,
    condition: string | null,
  ): FakeResponse {
    const name = String(resource.name);
    const md5Hash = createHash("md5").update(bytes).digest("base64");
    if (resource.md5Hash !== undefined && resource.md5Hash !== md5Hash) {
      return error(400, "Provided MD5 hash doesn't match calculated MD5 hash.");
    }
    const refused = this.#condition(name, condition);
    if (refused !== undefined) return refused;
    const generation = String(++this.#generation);
    const object = { bytes, generation, resource: { ...resource, md5Hash }, updated: new Date() };
    this.objects.set(name, object);
    this.stored.set(name, (this.stored.get(name) ?? 0) + 1);
    return json(resourceOf(object));
  }

  #list(query: URLSearchParams): FakeResponse {
    const { keys, prefixes, next } = pageOf([...this.objects.keys()].sort(), {
      prefix: query.get("prefix") ?? "",
      delimiter: query.get("delimiter") ?? "",
      after: Buffer.from(query.get("pageToken") ?? "", "base64").toString(),
      limit: Number(query.get("maxResults") ?? 1000),
    });
    return json({
      items: keys.map((key) => resourceOf(this.objects.get(key)!)),
      prefixes,
      ...(next === undefined ? {} : { nextPageToken: Buffer.from(next).toString("base64") }),
    });
  }
}

/** The two parts of `multipart/related`: metadata and bytes. */
function parseRelated({ headers, body }: FakeRequest): {
  resource: Record<string, unknown>;
  bytes: Buffer;
} {
  const boundary = /boundary=(.+)$/.exec(headers["content-type"] ?? "")?.[1] ?? "";
  const gap = Buffer.from(`\r\n--${boundary}\r\n`);
  const middle = body.indexOf(gap);
  const end = body.lastIndexOf(Buffer.from(`\r\n--${boundary}--`));
  const first = body.subarray(body.indexOf("\r\n\r\n") + 4, middle);
  const second = body.subarray(middle + gap.length, end);
  return {
    resource: JSON.parse(first.toString()) as Record<string, unknown>,
    bytes: Buffer.from(second.subarray(second.indexOf("\r\n\r\n") + 4)),
  };
}

function resourceOf({ resource, generation, bytes, updated }: GcsFakeObject): object {
  return { ...resource, generation, size: String(bytes.length), updated: updated.toISOString() };
}

function media(found: GcsFakeObject, rangeHeader: string | undefined): FakeResponse {
  const { bytes, generation } = found;
  const range = rangeOf(rangeHeader, bytes.length);
  const headers = { "x-goog-generation": generation };
  if (range === "unsatisfiable") return error(416, "Requested range not satisfiable");
  if (range === undefined) return { status: 200, headers, body: bytes };
  const contentRange = `bytes ${range.start}-${range.end - 1}/${bytes.length}`;
  return {
    status: 206,
    headers: { ...headers, "content-range": contentRange },
    body: bytes.subarray(range.start, range.end),
  };
}

function json(value: object): FakeResponse {
  const headers = { "content-type": "application/json; charset=utf-8" };
  return { status: 200, headers, body: JSON.stringify(value) };
}

function error(status: number, message: string): FakeResponse {
  return { ...json({ error: { code: status, message } }), status };
}
