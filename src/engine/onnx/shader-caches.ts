/**
 * Environment of a process that only tries a GPU: the drivers of Mesa and NVIDIA would leave the shader of the test in the cache of the
 * user.
 */
export const withoutShaderCaches = (): NodeJS.ProcessEnv => ({
  ...process.env,
  ...{ MESA_SHADER_CACHE_DISABLE: 'true', __GL_SHADER_DISK_CACHE: '0' },
})
