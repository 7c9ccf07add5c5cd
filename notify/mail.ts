/**
 * Mail of alarms by SMTP. Beyond this machine nothing is sent in the clear: `smtps://` speaks TLS from the first byte,
 * `smtp://` refuses a server without STARTTLS (RFC 3207). No password and no address of a server is in a message.
 */
import { createTransport } from 'nodemailer';
import { mailOf } from '../alarms/message.ts';
import type { Send } from '../batches/tell-alarms.ts';
import { isLoopbackHost } from '../domain/loopback.ts';

export interface MailSettings {
  /** `smtps://USER:PASSWORD@HOST:465` or `smtp://...:587`: a secret. */
  readonly url: string;
  readonly from: string;
}

const CONNECT_MS = 10_000;
const SOCKET_MS = 20_000;

/** @param ca certificates to trust besides those of the system, PEM */
export function mailSender({ url, from }: MailSettings, appUrl?: string, ca?: string): Send {
  const { protocol, hostname, port, username, password } = new URL(url);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const secure = protocol === 'smtps:';
  const transport = createTransport({
    host,
    port: Number(port) || (secure ? 465 : 587),
    secure,
    requireTLS: !secure && !isLoopbackHost(host),
    ...(username === '' ? {} : { auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) } }),
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    socketTimeout: SOCKET_MS,
    tls: { minVersion: 'TLSv1.2', ...(ca === undefined ? {} : { ca }) },
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return async (message, { to }) => {
    const mail = mailOf(message, appUrl);
    await transport.sendMail({
      from,
      to: [...to],
      subject: mail.subject,
      text: mail.text,
      messageId: `<${mail.messageId}>`,
      // No answer of an absence comes back (RFC 3834).
      headers: { 'Auto-Submitted': 'auto-generated' },
      ...(mail.inReplyTo === undefined ? {} : { references: [`<${mail.inReplyTo}>`] }),
    });
    return true;
  };
}
