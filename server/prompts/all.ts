import { chooseATemplate } from './choose-a-template.ts'
import type { Prompt } from './prompt.ts'
import { replyWithinWindow } from './reply-within-window.ts'
import { triageInbox } from './triage-inbox.ts'

export const prompts: readonly Prompt[] = [triageInbox, replyWithinWindow, chooseATemplate]
