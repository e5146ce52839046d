import { onNumber, type Prompt, phoneNumberArgument, UNTRUSTED } from './prompt.ts'

export const triageInbox: Prompt = {
  name: 'triage_inbox',
  title: 'Triage the inbox',
  description: 'Sorts the open conversations by what needs doing first, without sending anything.',
  arguments: [phoneNumberArgument],
  render: (
    args,
  ) => `Go through the WhatsApp inbox and tell me what needs doing, most pressing first. Send nothing.

1. ${onNumber(args)}
2. Call list_conversations and look at those whose latest message is inbound; follow next_cursor until you have seen all of the last seven days.
3. Read each with get_messages, as far back as needed to understand the request. Use get_media only where a file decides what is asked.
4. Sort them:
   - answer now: a question or problem is open and the reply window closes within four hours
   - answer today: a question or problem is open and there is time
   - needs a template: it is open, but the window has closed
   - nothing to do: thanks, greetings, settled matters
5. Give me a table: conversation_id, name, what is wanted in one line, when the window closes, the next step you propose. Below it, draft the replies of the first group.

${UNTRUSTED}`,
}
