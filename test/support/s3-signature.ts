import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { FakeRequest } from "./object-server.ts";

/**
 * Why a request's AWS Signature Version 4 does not hold, or `undefined`. Checks the signed headers,
 * the query and the hash of the body. Source: AWS, "Authenticating Requests (AWS Signature Version 4)".
 */
export function signatureError(
  request: FakeRequest,
  credentials: { readonly accessKey: string; readonly secretKey: string },
): string | undefined {
  const authorization =
    /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      request.headers.authorization ?? "",
    );
  if (authorization === null) return "no signature";
  const [, scope = "", signedHeaders = "", signature = ""] = authorization;
  const [accessKey, date = "", region = "", service = "", end] = scope.split("/");
  if (accessKey !== credentials.accessKey || service !== "s3" || end !== "aws4_request") {
    return "unknown credential";
  }
  const contentHash = request.headers["x-amz-content-sha256"] ?? "";
  if (contentHash !== "UNSIGNED-PAYLOAD" && contentHash !== sha256(request.body)) {
    return "the body is not the signed one";
  }
  const names = signedHeaders.split(";");
  if (!names.includes("host")) return "the host is not signed";
  const missing = Object.keys(request.headers).find(
    (name) => name.startsWith("x-amz-") && !names.includes(name),
  );
  if (missing !== undefined) return `${missing} is not signed`;
  const query = [...request.url.searchParams]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join("&");
  const canonical = [
    request.method,
    request.url.pathname,
    query,
    ...names.map((name) => `${name}:${(request.headers[name] ?? "").trim().replace(/ +/g, " ")}`),
    "",
    signedHeaders,
    contentHash,
  ].join("\n");
  const toSign = [
    "AWS4-HMAC-SHA256",
    request.headers["x-amz-date"],
    `${date}/${region}/${service}/aws4_request`,
    sha256(canonical),
  ].join("\n");
  let key = hmac(`AWS4${credentials.secretKey}`, date);
  for (const part of [region, service, "aws4_request"]) key = hmac(key, part);
  const expected = hmac(key, toSign);
  return timingSafeEqual(expected, Buffer.from(signature, "hex"))
    ? undefined
    : "the signature does not match";
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function hmac(key: string | Uint8Array, data: string): Buffer {
  return createHmac("sha256", key).update(data).digest();
}
