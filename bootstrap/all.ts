/** The whole bootstrap: this list, and the loop in lib/engine.ts. */

import install from './00-install.ts'
import ageKey from './10-age-key.ts'
import certbot from './20-certbot.ts'
import secrets from './30-secrets.ts'
import stack from './40-stack.ts'
import smoke from './50-smoke.ts'
import { main } from './lib/main.ts'

await main([install, ageKey, certbot, secrets, stack, smoke])
