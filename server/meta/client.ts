import { openAsBlob } from 'node:fs'
import * as z from 'zod'
import type { PhoneNumber } from '../numbers/numbers.ts'
import { download } from './download.ts'
import type { Graph } from './graph.ts'
import { GraphHttp, type GraphHttpOptions } from './http.ts'

const UPLOAD_TIMEOUT_MS = 120_000
const PAGE = 100
/** Meta allows 6000 templates for a business account. */
const MOST_PAGES = 100
const TEMPLATE_FIELDS =
  'id,name,language,status,category,parameter_format,components,quality_score,rejected_reason'
const NUMBER_FIELDS =
  'display_phone_number,verified_name,quality_rating,status,throughput,whatsapp_business_manager_messaging_limit,health_status'

const done = z.object({ success: z.literal(true) })
const record = z.record(z.string(), z.unknown())
const sent = z.object({
  contacts: z
    .array(z.object({ wa_id: z.string().optional(), user_id: z.string().optional() }))
    .optional()
    .catch(undefined),
  messages: z
    .tuple([z.object({ id: z.string().min(1), message_status: z.string().optional() })])
    .rest(record),
})
const uploaded = z.object({ id: z.string().min(1) })
const located = z.object({
  url: z.string(),
  mime_type: z.string(),
  sha256: z.string().nullish(),
  file_size: z.coerce.number().nullish(),
})
const templatePage = z.object({
  data: z.array(record),
  paging: z
    .object({ cursors: z.object({ after: z.string().optional() }).optional(), next: z.string().optional() })
    .optional(),
})
const created = z.object({ id: z.string(), status: z.string(), category: z.string() })

/** Graph over HTTP: https://developers.facebook.com/docs/whatsapp/cloud-api */
export function createGraph(options: GraphHttpOptions): Graph {
  const http = new GraphHttp(options)
  const product = { messaging_product: 'whatsapp' }

  return {
    send: async (number, body) => {
      const answer = await http.call(number, {
        method: 'POST',
        path: [number.waId, 'messages'],
        json: { ...product, ...body },
        answer: sent,
      })
      const [message] = answer.messages
      const contact = answer.contacts?.[0]
      return {
        wamid: message.id,
        messageStatus: message.message_status ?? null,
        waId: contact?.wa_id ?? null,
        bsuid: contact?.user_id ?? null,
      }
    },

    markRead: async (number, wamid, typing) => {
      await http.call(number, {
        method: 'POST',
        path: [number.waId, 'messages'],
        json: {
          ...product,
          status: 'read',
          message_id: wamid,
          ...(typing && { typing_indicator: { type: 'text' } }),
        },
        answer: done,
      })
    },

    uploadMedia: async (number, { path, mimeType, filename }) => {
      const form = new FormData()
      form.set('messaging_product', 'whatsapp')
      form.set('type', mimeType)
      form.set('file', await openAsBlob(path, { type: mimeType }), filename)
      const answer = await http.call(number, {
        method: 'POST',
        path: [number.waId, 'media'],
        form,
        answer: uploaded,
        timeoutMs: UPLOAD_TIMEOUT_MS,
      })
      return answer.id
    },

    locateMedia: async (number, mediaId) => {
      const answer = await http.call(number, {
        method: 'GET',
        path: [mediaId],
        // Makes Meta refuse files of other numbers.
        query: { phone_number_id: number.waId },
        answer: located,
      })
      return {
        url: answer.url,
        mimeType: answer.mime_type,
        sha256: answer.sha256 ?? null,
        sizeBytes: answer.file_size ?? null,
      }
    },

    downloadMedia: async (number, url) => download(url, http.headers(number), options.baseUrl),

    listTemplates: (number) => listTemplates(http, number),

    createTemplate: (number, template) =>
      http.call(number, {
        method: 'POST',
        path: [number.wabaId, 'message_templates'],
        json: template,
        answer: created,
      }),

    describeNumber: (number) =>
      http.call(number, {
        method: 'GET',
        path: [number.waId],
        query: { fields: NUMBER_FIELDS },
        answer: record,
      }),
  }
}

async function listTemplates(http: GraphHttp, number: PhoneNumber) {
  const templates: Record<string, unknown>[] = []
  let after: string | undefined
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const answer = await http.call(number, {
      method: 'GET',
      path: [number.wabaId, 'message_templates'],
      query: { fields: TEMPLATE_FIELDS, limit: String(PAGE), ...(after && { after }) },
      answer: templatePage,
    })
    templates.push(...answer.data)
    after = answer.paging?.cursors?.after
    // `next` is an address with the token in it, so the cursor goes back into an address of our own.
    if (answer.paging?.next === undefined || after === undefined) break
  }
  return templates
}
