// Correlation with a sum over channels and taps by tensor cores, from sm_80 on: the same product of
// matrices as in `channels.cu`, of numbers that are rounded to MULTIPLIED when they are brought.
//
// A block brings the next WORDS of its rows and columns to shared memory while its warps multiply the
// ones before, each its own 16 TILES_Y rows by 8 TILES_X columns. A block that has brought a number
// which is not finite, or would be rounded to what is not, sums as it is defined, in float32.
//
// Defined from outside: STORED and NUMBER (float); MULTIPLIED, what `mma.cuh` has; WARPS_Y and WARPS_X
// of a block, TILES_Y and TILES_X of a warp; what `gathering.cuh` needs.
#include "numbers.cuh"
#include "mma.cuh"

constexpr int THREADS = 32 * WARPS_Y * WARPS_X;
constexpr int SPAN_Y = 16 * WARPS_Y * TILES_Y, SPAN_X = 8 * WARPS_X * TILES_X;
constexpr int DEPTH = WORDS * PLACES;
// What a thread gathers are neighbours along the sum, in one column.
constexpr int GATHERED = DEPTH * SPAN_X / THREADS, STEP = 1;
// Words are written four at a time: of a column those of the inputs, of a row those of the weights.
constexpr int LENGTH_PLACES = LENGTH * PLACES;
constexpr int LEFT_VECTORS = SPAN_Y * WORDS / LENGTH;
constexpr int WEIGHTS = (LEFT_VECTORS + THREADS - 1) / THREADS;
static_assert(THREADS % SPAN_X == 0 || SPAN_X == THREADS, "a thread gathers for one column");
static_assert(GATHERED % LENGTH_PLACES == 0, "a thread writes whole vectors");
#include "gathering.cuh"

// Rows lie apart by a vector more than they are: a warp's eight rows of four words fill all banks.
constexpr int PITCH = WORDS + LENGTH;

struct __align__(16) Words {
    unsigned at[LENGTH];
};
static_assert(LENGTH == 4, "as many words as numbers");

__device__ unsigned word_at(const unsigned *place)
{
    TOUCHED(place);
    return *place;
}

// Rounds what a thread has brought, writes it, and says whether all of it can be multiplied.
template <int COUNT>
__device__ bool put_words(unsigned *place, const float (&numbers)[COUNT])
{
    bool can = true;
#pragma unroll
    for (int v = 0; v < COUNT / LENGTH_PLACES; v++) {
        Words words;
#pragma unroll
        for (int i = 0; i < LENGTH; i++)
            words.at[i] = packed(MULTIPLIED{}, numbers + (v * LENGTH + i) * PLACES);
        TOUCHED((Words *)place + v);
        ((Words *)place)[v] = words;
    }
#pragma unroll
    for (int i = 0; i < COUNT; i++)
        can = can && can_be_multiplied(numbers[i]);
    return can;
}

// `weights` are groups times group_outputs times places of the sum; `y` is parts times images times
// channels times outputs, contiguous.
extern "C" __global__ void __launch_bounds__(THREADS, 512 / THREADS) tensor(
    const STORED *__restrict__ x, const NUMBER *__restrict__ weights, RESULT *__restrict__ y,
    long long x_image, long long x_channel, long long x_0, long long x_1, long long x_2,
    long long size_0, long long size_1, long long size_2,
    long long start_0, long long start_1, long long start_2,
    long long stride_0, long long stride_1, long long stride_2,
    long long dilation_0, long long dilation_1, long long dilation_2,
    long long images, long long group_inputs, long long group_outputs, long long groups,
    long long out_0, long long out_1, long long out_2, long long parts)
{
    // One pair is filled while the other is read.
    __shared__ __align__(16) unsigned left[2][SPAN_Y * PITCH];
    __shared__ __align__(16) unsigned right[2][SPAN_X * PITCH];
    const Problem p = {
        x_image, x_channel, x_0, x_1, x_2, size_0, size_1, size_2, start_0, start_1, start_2,
        stride_0, stride_1, stride_2, dilation_0, dilation_1, dilation_2,
        images, group_inputs, group_outputs, groups, out_0, out_1, out_2, parts};
    const int thread = threadIdx.x, lane = thread % 32;
    const int g = lane / 4, t = lane % 4;
    // What a warp multiplies.
    const int row = thread / 32 / WARPS_X * (16 * TILES_Y);
    const int column = thread / 32 % WARPS_X * (8 * TILES_X);
    const int sum = (int)group_inputs * TAPS;
    // Parts are whole steps.
    const int share = (int)((sum + DEPTH * parts - 1) / (DEPTH * parts)) * DEPTH;
    const long long positions = out_0 * out_1 * out_2;

    for (int z = blockIdx.z; z < groups * parts; z += gridDim.z) {
        const int group = z / (int)parts, part = z % (int)parts;
        const int first = part * share, end = first + share < sum ? first + share : sum;
        const int brought = thread / SPAN_X * GATHERED;
        Gathering gathering = {
            p, corner_of(p, x, group, (long long)blockIdx.x * SPAN_X + thread % SPAN_X), brought};
        gathering.begin(first);
        const int first_row = blockIdx.y * SPAN_Y;
        const NUMBER *own = weights + (group * group_outputs + first_row) * sum;

        float sums[TILES_Y][TILES_X][4] = {};
        NUMBER inputs[GATHERED], factors[WEIGHTS][LENGTH_PLACES];
        bool can = true;
        int pair = 0;
        for (int k = first - DEPTH; k < end; k += DEPTH) {
            const int next = k + DEPTH;
            // What comes next is on its way while this is multiplied.
            if (next < end) {
                gathering.step(next, end, inputs);
#pragma unroll
                for (int i = 0; i < WEIGHTS; i++) {
                    const int vector = thread + i * THREADS;
                    const int of = vector / (WORDS / LENGTH);
                    const int at = next + vector % (WORDS / LENGTH) * LENGTH_PLACES;
                    const bool exists = of < SPAN_Y && first_row + of < group_outputs;
#pragma unroll
                    for (int j = 0; j < LENGTH_PLACES; j++)
                        factors[i][j] = exists && (CHANNELS_FIRST || at + j < end)
                                            ? own[(long long)of * sum + at + j]
                                            : (NUMBER)0;
                }
            }
            if (k >= first) {
                unsigned a[TILES_Y][4], b[TILES_X][2];
#pragma unroll
                for (int r = 0; r < TILES_Y; r++)
#pragma unroll
                    for (int i = 0; i < 4; i++)
                        a[r][i] = word_at(
                            left[pair] + (row + r * 16 + i % 2 * 8 + g) * PITCH + i / 2 * 4 + t);
#pragma unroll
                for (int c = 0; c < TILES_X; c++)
#pragma unroll
                    for (int i = 0; i < 2; i++)
                        b[c][i] = word_at(right[pair] + (column + c * 8 + g) * PITCH + i * 4 + t);
                multiply_words(a, b, sums);
                pair = 1 - pair;
            }
            if (next < end) {
                can &= put_words(
                    right[pair] + thread % SPAN_X * PITCH + brought / PLACES, inputs);
#pragma unroll
                for (int i = 0; i < WEIGHTS; i++) {
                    const int vector = thread + i * THREADS;
                    if (vector < LEFT_VECTORS)
                        can &= put_words(
                            left[pair] + vector / (WORDS / LENGTH) * PITCH +
                                vector % (WORDS / LENGTH) * LENGTH,
                            factors[i]);
                }
            }
            __syncthreads();
        }

        RESULT *target = y + part * (images * groups * group_outputs * positions);
        const long long first_column = (long long)blockIdx.x * SPAN_X + column + 2 * t;
        const bool defined = __syncthreads_or(!can);
#pragma unroll
        for (int c = 0; c < TILES_X * 2; c++) {
            const long long to = first_column + c / 2 * 8 + c % 2;
            if (to >= images * positions)
                continue;
            RESULT *line = target + place_of(p, group, 0, to);
            if (defined) {
                const Corner corner = corner_of(p, x, group, to);
#pragma unroll 1
                for (int r = 0; r < TILES_Y * 2; r++) {
                    const long long from = first_row + row + r * 8 + g;
                    if (from < group_outputs)
                        line[from * positions] = rounded<RESULT>(
                            sum_of_existing(p, corner, own + (from - first_row) * sum, first, end));
                }
                continue;
            }
#pragma unroll
            for (int r = 0; r < TILES_Y * 2; r++) {
                const long long from = first_row + row + r * 8 + g;
                if (from < group_outputs)
                    line[from * positions] =
                        rounded<RESULT>(sums[r / 2][c / 2][r % 2 * 2 + c % 2]);
            }
        }
    }
}
