export type BannerFacts = {
  readonly url: string;
  /** A trace that the server already answers for. */
  readonly traceId: string;
  readonly frontendUrl: string;
  readonly rate: number;
  /** Where the Grafana data source was written. */
  readonly datasourceFile: string;
};

/** What to type next, with the addresses and the trace id of this very run. */
export function banner(facts: BannerFacts): string {
  const { url } = facts;
  const search = (query: string): string =>
    `curl -sG ${url}/api/search -d limit=5 --data-urlencode 'q=${query}'`;
  const sql = "select service_name, count(*) as spans from spans group by 1 order by 2 desc";
  return `
Pintail answers at ${url}; the shop at ${facts.frontendUrl} is visited ${facts.rate} times a second.

Search with TraceQL
  ${search('{ resource.service.name = "checkout" && status = error }')}
  ${search("{ span.http.route != nil && duration > 300ms }")}
  ${search('{ name = "POST /checkout/{user}" } && { span.db.operation.name = "INSERT" }')}

One trace, seen a moment ago
  curl -s ${url}/api/v2/traces/${facts.traceId}

Tag names, and the values of one
  curl -s ${url}/api/v2/search/tags
  curl -s ${url}/api/v2/search/tag/resource.service.name/values

SQL
  curl -s ${url}/api/sql -H 'accept: text/csv' --data-binary "${sql}"
  npx pintail sql --url ${url} "select name, quantile_cont(duration_ns, 0.99) / 1e6 as p99_ms from spans group by 1 order by 2 desc limit 10"

Grafana: put this into provisioning/datasources/ (it is in ${facts.datasourceFile})

${datasourceYaml(url)}
Ctrl-C stops everything.
`;
}

/** A provisioning file. Grafana in a container reaches this machine as host.docker.internal. */
export function datasourceYaml(url: string): string {
  return `apiVersion: 1
datasources:
  - name: Pintail
    uid: pintail
    type: tempo
    access: proxy
    url: ${url}
    isDefault: true
    jsonData:
      httpMethod: GET
      streamingEnabled:
        search: true
        metrics: true
      nodeGraph:
        enabled: true
`;
}
