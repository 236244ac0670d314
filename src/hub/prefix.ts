/** What comes before names of the hub in options: `hf:OWNER/NAME`. */
export const hubPrefix = 'hf:'
