/** Where this script came from: its workers run the same file. Set by the entry of each bundle. */
export const script = { url: '', type: 'classic' };
