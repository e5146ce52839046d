import { type Prompt, UNTRUSTED } from './prompt.ts'

export const replyWithinWindow: Prompt = {
  name: 'reply_within_window',
  title: 'Reply to a conversation',
  description:
    'Reads a conversation, drafts an answer, and sends it once you agree, if the window is still open.',
  arguments: [
    { name: 'conversation_id', description: 'As list_conversations shows it.', required: true },
    { name: 'goal', description: 'What the reply should achieve, in your words.', required: false },
  ],
  render: ({ conversation_id, goal }) => `Answer the WhatsApp conversation ${JSON.stringify(conversation_id)}.
${goal ? `\nWhat the answer should achieve: ${goal}\n` : ''}
1. Read it with get_messages. Find out what the person wants now, in which language they write, and what was promised before.
2. See when the window closes. Closed: stop, say so, and propose a template by the steps of the prompt choose_a_template.
3. Draft one message in their language: short, plain, one question at most, nothing you cannot know. Where a choice of up to three fits, propose send_interactive with buttons.
4. Check the draft with send_message and dry_run: true, then show it to me and wait for my yes.
5. Send it with the same arguments, dry_run: false and an idempotency_key of your own; keep that key if you have to repeat the call. On the result outcome_unknown do not send again: look with get_message.
6. Call mark_read for the message you answered.

${UNTRUSTED}`,
}
