/** The webhook of alerts as a way to tell of alarms: signed as alerts are, and tried as often. */
import { webhookBody, type Message } from '../alarms/message.ts';
import { chatText, post, type AlertSettings } from '../batches/alerts.ts';
import type { Send } from '../batches/tell-alarms.ts';

export const webhookSender =
  (alerts: AlertSettings, warn: (message: string) => void, appUrl?: string): Send =>
  (message, { format }) =>
    post(
      { ...alerts, contentType: format === 'cloudevents' ? 'application/cloudevents+json' : 'application/json' },
      message.id,
      webhookBody(withPlainText(message), format, appUrl),
      warn,
    );

/** Names come from outside: in a chat they are no mention, link or markup. */
function withPlainText(message: Message): Message {
  const { incidents } = message;
  return {
    ...message,
    text: chatText(message.text),
    ...(incidents ? { incidents: incidents.map((one) => ({ ...one, text: chatText(one.text) })) } : {}),
  };
}
