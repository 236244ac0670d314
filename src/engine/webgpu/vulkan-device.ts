/** The device that Vulkan offers first. ONNX Runtime does not say which adapter it has opened; on Linux it opens one of Vulkan's. */

export interface VulkanDevice {
  readonly name: string
  /** Whether the processor computes it all. */
  readonly software: boolean
}

export const vulkanLibrary: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'libvulkan.so.1',
  win32: 'vulkan-1.dll',
}

/** VkPhysicalDeviceType in the order in which WebGPU prefers them: discrete, integrated, virtual, other, CPU. */
const preference = [2, 1, 3, 0, 4]
const cpuType = 4

/** Null where the system has no Vulkan, or Vulkan has no device. A bad driver may end the process. */
export async function vulkanDevice(): Promise<VulkanDevice | null> {
  const file = vulkanLibrary[process.platform]
  if (file === undefined) return null
  const { default: koffi } = await import('koffi')
  const library = koffi.load(file)
  const createInstance = library.func('int vkCreateInstance(void *info, void *allocator, _Out_ void **instance)')
  const enumerate = library.func(
    'int vkEnumeratePhysicalDevices(void *instance, _Inout_ uint32_t *count, void *devices)',
  )
  const properties = library.func('void vkGetPhysicalDeviceProperties(void *device, void *properties)')
  // VkInstanceCreateInfo with nothing but its type.
  const info = Buffer.alloc(64)
  info.writeUInt32LE(1, 0)
  const instance: [unknown] = [null]
  if (createInstance(info, null, instance) !== 0) return null
  const most = 16
  const count: [number] = [most]
  const handles = Buffer.alloc(8 * most)
  if (enumerate(instance[0], count, handles) < 0) return null
  const devices = Array.from({ length: count[0] }, (_, i) => {
    // VkPhysicalDeviceProperties, 824 bytes: the type at 16, 256 bytes of name at 20.
    const bytes = Buffer.alloc(1024)
    properties(handles.readBigUInt64LE(8 * i), bytes)
    const name = bytes.subarray(20, 276)
    return { type: bytes.readInt32LE(16), name: name.subarray(0, name.indexOf(0)).toString() }
  })
  devices.sort((a, b) => preference.indexOf(a.type) - preference.indexOf(b.type))
  const [first] = devices
  return first === undefined ? null : { name: first.name, software: first.type === cpuType }
}
