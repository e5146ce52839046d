import { onNumber, type Prompt, phoneNumberArgument, UNTRUSTED } from './prompt.ts'

export const chooseATemplate: Prompt = {
  name: 'choose_a_template',
  title: 'Choose a template',
  description:
    'Finds the approved template that fits a purpose, fills it in and checks it, for when the window is closed.',
  arguments: [
    { name: 'purpose', description: 'What the message should achieve, and for whom.', required: true },
    phoneNumberArgument,
  ],
  render: (args) => `Find the message template that fits this purpose: ${args.purpose}

1. ${onNumber(args)}
2. Call list_templates for the approved ones. Keep those whose text does what is wanted, in the language of the person.
3. Compare what is left: how little of the text is beside the purpose, which variables it needs and whether you know their values, and the category. UTILITY and AUTHENTICATION are for what the person asked for or has under way; MARKETING may cost more and must not go to people who opted out.
4. Show me the best one filled in, word for word, with the variables marked, and say in one line why it wins. If you lack a value, ask me for it and do not make it up.
5. When I agree, check it with send_template and dry_run: true, and tell me of every warning before you send.
6. If none fits, say so and draft one for create_template: name, category, language, text with variables and an example for each. Submit nothing without my yes.

${UNTRUSTED}`,
}
