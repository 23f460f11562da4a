/** The address of the client's WebAssembly, where the bundler makes files out of imports. */
declare const address: string;
export default address;
