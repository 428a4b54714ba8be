// Enough of CUDA C++ to run a kernel on a processor: threads of a block are fibres that take turns
// and change at each barrier, blocks run one after the other, shared memory is static. What a block
// is given of shared memory holds NaN at first, so that nobody relies on the block before.
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <tuple>
#include <vector>

struct Three { int x, y, z; };
static Three threadIdx, blockIdx, blockDim, gridDim;

#define __global__
#define __host__
#define __device__ inline __attribute__((always_inline))
#define __shared__ static
#define __align__(bytes) __attribute__((aligned(bytes))) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)

namespace emulated {
static ucontext_t scheduler;
static ucontext_t *fibre;
static bool *finished;
static void (*body)();
alignas(16) static unsigned char shared[256 << 10];

#ifdef COUNTED
// What threads touch of shared memory: at which place of the program, for the how manieth time, in
// which warp. A bank serves one word at a time; eight threads share a turn where each reads 16 bytes.
struct Touches {
    std::size_t bytes = 0;
    std::map<int, std::uintptr_t> of_lane;
};
static std::map<std::tuple<int, void *, int>, Touches> touches;
static std::vector<std::map<void *, int>> passed;
static long long turns, least;

__attribute__((noinline)) static void touched(const void *place, std::size_t bytes) {
    const int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    void *site = __builtin_return_address(0);
    Touches &found = touches[{thread / 32, site, passed[thread][site]++}];
    found.bytes = bytes;
    found.of_lane[thread % 32] = (std::uintptr_t)place / 4;
}

static void count() {
    for (auto &[_, found] : touches) {
        const int words = found.bytes / 4, together = 32 / words;
        std::set<std::uintptr_t> all, before;
        for (int first = 0; first < 32; first += together) {
            std::map<int, std::set<std::uintptr_t>> banks;
            std::set<std::uintptr_t> now;
            for (int lane = first; lane < first + together; lane++)
                if (found.of_lane.count(lane))
                    for (int word = 0; word < words; word++)
                        now.insert(found.of_lane[lane] + word);
            std::size_t most = 0;
            for (std::uintptr_t word : now) {
                banks[word % 32].insert(word);
                most = std::max(most, banks[word % 32].size());
            }
            // The same words are handed to everybody.
            if (now != before)
                turns += most;
            all.insert(now.begin(), now.end());
            before = now;
        }
        least += (all.size() + 31) / 32;
    }
    touches.clear();
    passed.clear();
}
#else
inline void touched(const void *, std::size_t) {}
#endif

static void begin() {
    body();
    *finished = true;
    swapcontext(fibre, &scheduler);
}

static void run_block(int threads, std::vector<char> &stacks, long long given) {
    std::memset(shared, 255, given);
#ifdef COUNTED
    passed.resize(threads);
#endif
    std::vector<ucontext_t> fibres(threads);
    std::vector<char> ended(threads, 0);
    for (int t = 0; t < threads; t++) {
        getcontext(&fibres[t]);
        fibres[t].uc_stack.ss_sp = stacks.data() + ((std::size_t)t << 16);
        fibres[t].uc_stack.ss_size = 1 << 16;
        fibres[t].uc_link = &scheduler;
        makecontext(&fibres[t], begin, 0);
    }
    for (int left = threads; left > 0;)
        for (int t = 0; t < threads; t++) {
            if (ended[t])
                continue;
            threadIdx = {t % blockDim.x, t / blockDim.x % blockDim.y,
                         t / (blockDim.x * blockDim.y)};
            bool done = false;
            fibre = &fibres[t];
            finished = &done;
            swapcontext(&scheduler, &fibres[t]);
            ended[t] = done;
            left -= done;
        }
#ifdef COUNTED
    count();
#endif
}

static void run(Three grid, Three block, void (*kernel)(), long long given) {
    gridDim = grid;
    blockDim = block;
    body = kernel;
    const int threads = block.x * block.y * block.z;
    std::vector<char> stacks((std::size_t)threads << 16);
    for (blockIdx.z = 0; blockIdx.z < grid.z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++)
                run_block(threads, stacks, given);
}

// Binary16: a sign, five bits of exponent, ten of fraction.
static float from_half(unsigned short bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const float size = exponent == 31 ? (fraction ? NAN : INFINITY)
                       : exponent     ? std::ldexp(1024.0f + fraction, exponent - 25)
                                      : std::ldexp((float)fraction, -24);
    return bits >> 15 ? -size : size;
}

// To the nearest, ties to even.
static unsigned float16_of(float number) {
    const unsigned sign = std::signbit(number) ? 0x8000 : 0;
    const float size = std::fabs(number);
    if (std::isnan(number))
        return 0x7fff;
    if (size >= 65520)
        return sign | 0x7c00;
    const int exponent = size < 0x1p-14f ? -14 : std::ilogb(size);
    // A fraction of 2048 is the next exponent; without the leading one, none has begun.
    const int fraction = std::nearbyint(std::ldexp(size, 10 - exponent));
    return sign | (exponent + 14 << 10) + fraction;
}
}  // namespace emulated

#ifdef COUNTED
extern "C" void counts(long long *found) {
    found[0] = emulated::turns;
    found[1] = emulated::least;
}
#endif

static void __syncthreads() { swapcontext(emulated::fibre, &emulated::scheduler); }

static int __syncthreads_or(int is_so) {
    static int any = 0;
    any |= is_so != 0;
    __syncthreads();
    const int found = any;
    __syncthreads();
    any = 0;
    __syncthreads();
    return found;
}
#include "emulated_mma.h"
