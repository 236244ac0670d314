// The part of NVRTC that the engine uses, with g++ as the compiler: the "machine code" of a program is the path of a
// shared object. So the engine as users open it, worker thread and kernel cache included, runs on the emulation.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

namespace {
enum { success = 0, invalidInput = 3, invalidOption = 5, compilation = 6 };

struct Program {
  std::string source, name, log, image;
  std::vector<std::pair<std::string, std::string>> headers;
};

bool writeFile(const std::string& path, const std::string& text) {
  FILE* file = fopen(path.c_str(), "w");
  if (file == nullptr) return false;
  fwrite(text.data(), 1, text.size(), file);
  return fclose(file) == 0;
}

std::string readFile(const std::string& path) {
  std::string text;
  FILE* file = fopen(path.c_str(), "r");
  if (file == nullptr) return text;
  char block[4096];
  for (size_t n; (n = fread(block, 1, sizeof(block), file)) > 0;) text.append(block, n);
  fclose(file);
  return text;
}

/** Names of the kernels in a source. Without std::regex, which takes g++ seconds. */
std::vector<std::string> kernelsIn(const std::string& source) {
  const std::string declaration = "extern \"C\" __global__ void", bounds = "__launch_bounds__(", blank = " \t\n\r";
  std::vector<std::string> names;
  for (size_t at = source.find(declaration); at != std::string::npos; at = source.find(declaration, at)) {
    at = source.find_first_not_of(blank, at + declaration.size());
    if (at == std::string::npos) break;
    if (source.compare(at, bounds.size(), bounds) == 0) at = source.find_first_not_of(blank, source.find(')', at) + 1);
    if (at == std::string::npos) break;
    names.push_back(source.substr(at, source.find('(', at) - at));
  }
  return names;
}
}  // namespace

extern "C" {
int nvrtcVersion(int* major, int* minor) { return *major = 13, *minor = 0, success; }

int nvrtcCreateProgram(void** program, const char* source, const char* name, int count, const char** texts,
                       const char** names) {
  Program* made = new Program{source, name, "", "", {}};
  for (int i = 0; i < count; i++) made->headers.emplace_back(names[i], texts[i]);
  *program = made;
  return success;
}

int nvrtcDestroyProgram(void** program) {
  delete static_cast<Program*>(*program);
  *program = nullptr;
  return success;
}

int nvrtcCompileProgram(void* handle, int count, const char** options) {
  Program& program = *static_cast<Program*>(handle);
  // In the folder that stands for the toolkit: what is made for it goes with it.
  Dl_info own;
  if (dladdr(reinterpret_cast<void*>(&nvrtcVersion), &own) == 0) return invalidInput;
  const std::string library = own.dli_fname;
  std::string base = library.substr(0, library.rfind('/')) + "/kernel-XXXXXX";
  if (mkdtemp(&base[0]) == nullptr) return invalidInput;
  std::string defines;
  for (int i = 0; i < count; i++) {
    if (strncmp(options[i], "-D", 2) == 0) defines += std::string(" '") + options[i] + "'";
    else if (strncmp(options[i], "--", 2) != 0) return invalidOption;
  }
  for (const auto& [name, text] : program.headers) writeFile(base + "/" + name, text);
  std::string wrapper = "#include \"cuda_emulation.h\"\n" + program.source + "\n";
  for (const std::string& name : kernelsIn(program.source)) wrapper += "EMULATED_KERNEL(" + name + ")\n";
  writeFile(base + "/kernel.cpp", wrapper);
  const std::string image = base + "/kernel.so";
  const std::string command = "g++ -std=c++17 -O2 -fPIC -shared -fno-strict-aliasing -ffp-contract=off -I '" + base +
                              "' -I '" HEADER_DIRECTORY "' -I '" EMULATION_DIRECTORY "'" + defines + " -o '" + image + "' '" + base +
                              "/kernel.cpp' '" + library + "' 2> '" + base + "/log'";
  const int status = system(command.c_str());
  program.log = readFile(base + "/log");
  if (status != 0) return compilation;
  program.image = image;
  return success;
}

int nvrtcGetCUBINSize(void* program, size_t* bytes) {
  return *bytes = static_cast<Program*>(program)->image.size() + 1, success;
}
int nvrtcGetCUBIN(void* program, char* image) {
  const std::string& path = static_cast<Program*>(program)->image;
  return memcpy(image, path.c_str(), path.size() + 1), success;
}
int nvrtcGetProgramLogSize(void* program, size_t* bytes) {
  return *bytes = static_cast<Program*>(program)->log.size() + 1, success;
}
int nvrtcGetProgramLog(void* program, char* log) {
  const std::string& text = static_cast<Program*>(program)->log;
  return memcpy(log, text.c_str(), text.size() + 1), success;
}
}
