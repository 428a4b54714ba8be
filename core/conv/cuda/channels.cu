// Correlation with a sum over channels, as a product of matrices (implicit GEMM).
//
// Rows of the product are a group's output channels, columns are the outputs of all images one after
// the other, and what is summed is channels times taps. The matrix of shifted inputs is never made:
// a block gathers DEPTH of its rows at a time into shared memory, by index arithmetic, while it
// multiplies the ones before. A thread has ROWS by COLUMNS sums in registers.
//
// Where there are few outputs and much to sum, as in gradients of kernels, blocks share the sum
// (`parts`); each writes its own part, so that the order of additions never changes.
//
// Defined from outside: STORED and NUMBER; BLOCK_Y and BLOCK_X of the threads of a block, ROWS and
// COLUMNS of a thread's sums; TAPS_0 to TAPS_2, the kernel's size along planes, rows and columns.
#include "numbers.cuh"

constexpr int THREADS = BLOCK_Y * BLOCK_X;
constexpr int SPAN_Y = BLOCK_Y * ROWS, SPAN_X = BLOCK_X * COLUMNS;
constexpr int TAPS = TAPS_0 * TAPS_1 * TAPS_2;
constexpr int DEPTH = 8;
// What a thread gathers has one column: only the place in the sum changes.
constexpr int GATHERED = DEPTH * SPAN_X / THREADS;
constexpr int STEP = THREADS / SPAN_X;
constexpr int WEIGHTS = (DEPTH * SPAN_Y + THREADS - 1) / THREADS;
static_assert(THREADS % SPAN_X == 0 && DEPTH % STEP == 0, "a thread gathers for one column");

// Distances are counted in numbers. `start` are the places of the inputs that the first tap of the
// first output meets.
struct Problem {
    long long x_image, x_channel, x_0, x_1, x_2;
    long long size_0, size_1, size_2, start_0, start_1, start_2;
    long long stride_0, stride_1, stride_2, dilation_0, dilation_1, dilation_2;
    long long images, group_inputs, group_outputs, groups, out_0, out_1, out_2;
    long long parts;
};

// An output's corner among the inputs.
struct Corner {
    const STORED *x;
    int at_0, at_1, at_2;
    bool exists;
};

__device__ Corner corner_of(const Problem &p, const STORED *x, int group, long long column)
{
    const int in_row = (int)p.out_2, in_plane = in_row * (int)p.out_1;
    const int in_image = in_plane * (int)p.out_0;
    const bool exists = column < p.images * in_image;
    const int image = (int)(column / in_image), rest = (int)(column % in_image);
    Corner corner;
    corner.exists = exists;
    corner.at_0 = (int)(rest / in_plane * p.stride_0 + p.start_0);
    corner.at_1 = (int)(rest % in_plane / in_row * p.stride_1 + p.start_1);
    corner.at_2 = (int)(rest % in_row * p.stride_2 + p.start_2);
    corner.x = x + (exists ? image : 0) * p.x_image + group * p.group_inputs * p.x_channel;
    return corner;
}

// The input that place `k` of the sum takes for an output, zero where there is none.
__device__ NUMBER gathered(const Problem &p, const Corner &corner, int k, int end)
{
    const unsigned channel = (unsigned)k / TAPS, tap = (unsigned)k % TAPS;
    const int a = corner.at_0 + (int)(tap / (TAPS_1 * TAPS_2)) * (int)p.dilation_0;
    const int b = corner.at_1 + (int)(tap / TAPS_2 % TAPS_1) * (int)p.dilation_1;
    const int c = corner.at_2 + (int)(tap % TAPS_2) * (int)p.dilation_2;
    // A negative place is a very large one without a sign.
    const bool exists = corner.exists && k < end && (unsigned)a < (unsigned)p.size_0 &&
                        (unsigned)b < (unsigned)p.size_1 && (unsigned)c < (unsigned)p.size_2;
    return exists ? number(corner.x[channel * p.x_channel + a * p.x_0 + b * p.x_1 + c * p.x_2])
                  : (NUMBER)0;
}

// `weights` are groups times group_outputs times group_inputs times TAPS; `y` is parts times images
// times channels times outputs, contiguous.
extern "C" __global__ void __launch_bounds__(THREADS, 2) channels(
    const STORED *__restrict__ x, const NUMBER *__restrict__ weights, NUMBER *__restrict__ y,
    long long x_image, long long x_channel, long long x_0, long long x_1, long long x_2,
    long long size_0, long long size_1, long long size_2,
    long long start_0, long long start_1, long long start_2,
    long long stride_0, long long stride_1, long long stride_2,
    long long dilation_0, long long dilation_1, long long dilation_2,
    long long images, long long group_inputs, long long group_outputs, long long groups,
    long long out_0, long long out_1, long long out_2, long long parts)
{
    __shared__ __align__(16) NUMBER left[DEPTH][SPAN_Y];
    __shared__ __align__(16) NUMBER right[DEPTH][SPAN_X];
    const Problem p = {
        x_image, x_channel, x_0, x_1, x_2, size_0, size_1, size_2, start_0, start_1, start_2,
        stride_0, stride_1, stride_2, dilation_0, dilation_1, dilation_2,
        images, group_inputs, group_outputs, groups, out_0, out_1, out_2, parts};
    const int thread = threadIdx.y * BLOCK_X + threadIdx.x;
    const int sum = (int)group_inputs * TAPS;
    // Parts are whole steps.
    const int share = (int)((sum + DEPTH * parts - 1) / (DEPTH * parts)) * DEPTH;
    const long long positions = out_0 * out_1 * out_2;

    for (int z = blockIdx.z; z < groups * parts; z += gridDim.z) {
        const int group = z / (int)parts, part = z % (int)parts;
        const int first = part * share, end = first + share < sum ? first + share : sum;
        const Corner corner = corner_of(
            p, x, group, (long long)blockIdx.x * SPAN_X + thread % SPAN_X);
        const int first_row = blockIdx.y * SPAN_Y;
        const NUMBER *own = weights + (group * group_outputs + first_row) * sum;

        NUMBER sums[ROWS][COLUMNS] = {};
        NUMBER inputs[GATHERED];
        for (int k = first - DEPTH; k < end; k += DEPTH) {
            // The next inputs are on their way while these are multiplied; weights are near.
#pragma unroll
            for (int i = 0; i < GATHERED; i++)
                inputs[i] = gathered(p, corner, k + DEPTH + thread / SPAN_X + i * STEP, end);
            if (k >= first) {
#pragma unroll
                for (int d = 0; d < DEPTH; d++) {
                    NUMBER a[ROWS], b[COLUMNS];
#pragma unroll
                    for (int r = 0; r < ROWS; r++)
                        a[r] = left[d][threadIdx.y * ROWS + r];
#pragma unroll
                    for (int c = 0; c < COLUMNS; c++)
                        b[c] = right[d][threadIdx.x + c * BLOCK_X];
#pragma unroll
                    for (int r = 0; r < ROWS; r++)
#pragma unroll
                        for (int c = 0; c < COLUMNS; c++)
                            sums[r][c] += a[r] * b[c];
                }
            }
            __syncthreads();
#pragma unroll
            for (int i = 0; i < GATHERED; i++)
                right[thread / SPAN_X + i * STEP][thread % SPAN_X] = inputs[i];
#pragma unroll
            for (int i = 0; i < WEIGHTS; i++) {
                const int item = thread + i * THREADS;
                const int row = item / DEPTH, place = k + DEPTH + item % DEPTH;
                const bool exists = first_row + row < group_outputs && place < end;
                if (row < SPAN_Y)
                    left[item % DEPTH][row] =
                        exists ? own[row * sum + place] : (NUMBER)0;
            }
            __syncthreads();
        }

        NUMBER *target = y + part * (images * groups * group_outputs * positions);
#pragma unroll
        for (int c = 0; c < COLUMNS; c++) {
            const long long column = (long long)blockIdx.x * SPAN_X + threadIdx.x + c * BLOCK_X;
            if (column >= images * positions)
                continue;
            const long long image = column / positions, position = column % positions;
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                const long long row = first_row + threadIdx.y * ROWS + r;
                if (row < group_outputs)
                    target[((image * groups + group) * group_outputs + row) * positions + position]
                        = sums[r][c];
            }
        }
    }
}
