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
// COLUMNS of a thread's sums; what `gathering.cuh` needs.
#include "numbers.cuh"

constexpr int THREADS = BLOCK_Y * BLOCK_X;
constexpr int SPAN_Y = BLOCK_Y * ROWS, SPAN_X = BLOCK_X * COLUMNS;
constexpr int DEPTH = 8;
// What a thread gathers has one column: only the place in the sum changes.
constexpr int GATHERED = DEPTH * SPAN_X / THREADS;
constexpr int STEP = THREADS / SPAN_X;
constexpr int WEIGHTS = (DEPTH * SPAN_Y + THREADS - 1) / THREADS;
static_assert(THREADS % SPAN_X == 0 && DEPTH % STEP == 0, "a thread gathers for one column");
#include "gathering.cuh"

// Weights of a place lie apart from those of the next one by a vector more than they are, so that
// threads which bring them for DEPTH places find different banks.
constexpr int LEFT_PITCH = SPAN_Y + LENGTH;
// Rows and columns that a thread reads at a time.
constexpr int ROWS_READ = ROWS % LENGTH == 0 ? LENGTH : 1;
constexpr int COLUMNS_READ = COLUMNS % LENGTH == 0 ? LENGTH : 1;

// A thread's columns lie BLOCK_X apart among the outputs, so that neighbouring threads write
// neighbouring numbers, and side by side in shared memory, so that they are read at once.
__device__ int slot_of(int column)
{
    const int across = column % BLOCK_X, number = column / BLOCK_X;
    return number / COLUMNS_READ * (BLOCK_X * COLUMNS_READ) + across * COLUMNS_READ +
           number % COLUMNS_READ;
}

template <int COUNT>
__device__ void read(const NUMBER *place, Numbers &numbers)
{
    if constexpr (COUNT == LENGTH)
        numbers = vector_at(place);
    else
        numbers.at[0] = number_at(place);
}

// `weights` are groups times group_outputs times places of the sum; `y` is parts times images times
// channels times outputs, contiguous.
extern "C" __global__ void __launch_bounds__(THREADS, 512 / THREADS) channels(
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
    __shared__ __align__(16) NUMBER left[2][DEPTH * LEFT_PITCH];
    __shared__ __align__(16) NUMBER right[2][DEPTH * SPAN_X];
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
        Gathering gathering = {
            p, corner_of(p, x, group, (long long)blockIdx.x * SPAN_X + thread % SPAN_X),
            thread / SPAN_X};
        gathering.begin(first);
        const int first_row = blockIdx.y * SPAN_Y;
        const NUMBER *own = weights +
            (group * group_outputs + first_row + thread / DEPTH) * sum + first + thread % DEPTH;

        NUMBER sums[ROWS][COLUMNS] = {};
        NUMBER inputs[GATHERED], factors[WEIGHTS], nothing = 0;
        int pair = 0;
        for (int k = first - DEPTH; k < end; k += DEPTH) {
            const int next = k + DEPTH;
            // What comes next is on its way while this is multiplied.
            if (next < end) {
                gathering.step(next, end, inputs);
#pragma unroll
                for (int i = 0; i < WEIGHTS; i++) {
                    constexpr int APART = THREADS / DEPTH;
                    const bool exists = first_row + thread / DEPTH + i * APART < group_outputs &&
                                        (CHANNELS_FIRST || next + thread % DEPTH < end);
                    factors[i] = exists ? own[i * APART * sum] : (NUMBER)0;
                    nothing += 0 * factors[i];
                }
                own += DEPTH;
            }
            if (k >= first) {
                const NUMBER *rows = left[pair] + threadIdx.y * ROWS;
                const NUMBER *columns = right[pair] + threadIdx.x * COLUMNS_READ;
#pragma unroll
                for (int d = 0; d < DEPTH; d++) {
                    Numbers a[ROWS / ROWS_READ], b[COLUMNS / COLUMNS_READ];
#pragma unroll
                    for (int r = 0; r < ROWS / ROWS_READ; r++)
                        read<ROWS_READ>(rows + d * LEFT_PITCH + r * ROWS_READ, a[r]);
#pragma unroll
                    for (int c = 0; c < COLUMNS / COLUMNS_READ; c++)
                        read<COLUMNS_READ>(
                            columns + d * SPAN_X + c * (BLOCK_X * COLUMNS_READ), b[c]);
#pragma unroll
                    for (int r = 0; r < ROWS; r++)
#pragma unroll
                        for (int c = 0; c < COLUMNS; c++)
                            sums[r][c] += a[r / ROWS_READ].at[r % ROWS_READ] *
                                          b[c / COLUMNS_READ].at[c % COLUMNS_READ];
                }
                pair = 1 - pair;
            }
            if (next < end) {
#pragma unroll
                for (int i = 0; i < GATHERED; i++)
                    put_number(
                        right[pair] + (thread / SPAN_X + i * STEP) * SPAN_X +
                            slot_of(thread % SPAN_X),
                        inputs[i]);
#pragma unroll
                for (int i = 0; i < WEIGHTS; i++) {
                    const int row = thread / DEPTH + i * (THREADS / DEPTH);
                    if (row < SPAN_Y)
                        put_number(left[pair] + thread % DEPTH * LEFT_PITCH + row, factors[i]);
                }
            }
            __syncthreads();
        }

        RESULT *target = y + part * (images * groups * group_outputs * positions);
        const long long first_column = (long long)blockIdx.x * SPAN_X + threadIdx.x;
        // A weight that is not finite has made NaN of the zeros around the input.
        if (__syncthreads_or(nothing != 0)) {
#pragma unroll 1
            for (int i = 0; i < ROWS * COLUMNS; i++) {
                const long long column = first_column + i % COLUMNS * BLOCK_X;
                const long long row = first_row + threadIdx.y * ROWS + i / COLUMNS;
                if (column < images * positions && row < group_outputs)
                    target[place_of(p, group, row, column)] = rounded<RESULT>(sum_of_existing(
                        p, corner_of(p, x, group, column),
                        weights + (group * group_outputs + row) * sum, first, end));
            }
            continue;
        }
#pragma unroll
        for (int c = 0; c < COLUMNS; c++) {
            const long long column = first_column + c * BLOCK_X;
            if (column >= images * positions)
                continue;
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                const long long row = first_row + threadIdx.y * ROWS + r;
                if (row < group_outputs)
                    target[place_of(p, group, row, column)] = rounded<RESULT>(sums[r][c]);
            }
        }
    }
}
