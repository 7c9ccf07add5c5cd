/**
 * Variables of others that fleetscore's libraries read: Temporal's, OpenTelemetry's and Azure's. They are listed for
 * the reference, for the list of secrets, and for what nodes of a pool on Azure get.
 */
export interface ForeignVariable {
  readonly name: string;
  readonly about: string;
  readonly secret: boolean;
  readonly handOn: boolean;
}

const foreign = (name: string, about: string, kind?: 'secret' | 'handOn'): ForeignVariable => ({
  name,
  about,
  secret: kind === 'secret',
  handOn: kind === 'handOn',
});

export const FOREIGN: readonly ForeignVariable[] = [
  foreign('TEMPORAL_ADDRESS', 'Address of the Temporal server, `HOST:PORT`. Default: localhost:7233.', 'handOn'),
  foreign('TEMPORAL_NAMESPACE', 'Namespace. Default: default.', 'handOn'),
  foreign('TEMPORAL_TLS', '`true` for TLS without client certificates.', 'handOn'),
  foreign('TEMPORAL_TLS_SERVER_NAME', 'The name that the certificate of the server is checked for.', 'handOn'),
  foreign('TEMPORAL_TLS_SERVER_CA_CERT_PATH', 'File with the certificates of the authority of the server, PEM.'),
  foreign('TEMPORAL_TLS_SERVER_CA_CERT_DATA', 'The same as a value, PEM.'),
  foreign('TEMPORAL_TLS_CLIENT_CERT_PATH', 'File with the client certificate, PEM.'),
  foreign('TEMPORAL_TLS_CLIENT_CERT_DATA', 'The same as a value, PEM.'),
  foreign('TEMPORAL_TLS_CLIENT_KEY_PATH', 'File with the key of the client certificate, PEM.'),
  foreign('TEMPORAL_TLS_CLIENT_KEY_DATA', 'The same as a value, PEM.', 'secret'),
  foreign('TEMPORAL_API_KEY', 'API key, for example of Temporal Cloud. It switches TLS on.', 'secret'),
  foreign(
    'TEMPORAL_CONFIG_FILE',
    'File with profiles. Default: temporal.toml in the configuration folder of the user.',
  ),
  foreign('TEMPORAL_PROFILE', 'Name of the profile in that file. Default: default.'),
  foreign('TEMPORAL_UI_URL', "Address of Temporal's Web UI, for links."),
  foreign('OTEL_EXPORTER_OTLP_ENDPOINT', 'Traces and metrics go there by OTLP (HTTP).', 'handOn'),
  foreign('OTEL_EXPORTER_OTLP_HEADERS', 'Headers that are sent along, such as a key.', 'secret'),
  foreign('OTEL_TRACES_SAMPLER', '`traceidratio` traces a share of the batches.', 'handOn'),
  foreign('OTEL_TRACES_SAMPLER_ARG', 'That share, 0 to 1.', 'handOn'),
  foreign('OTEL_METRIC_EXPORT_INTERVAL', 'Milliseconds between two exports of metrics. Default: 60000.', 'handOn'),
  foreign('OTEL_SDK_DISABLED', '`true` sends no telemetry.'),
  foreign('APPLICATIONINSIGHTS_CONNECTION_STRING', 'Traces and metrics go to Application Insights.', 'handOn'),
];
