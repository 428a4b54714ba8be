#include "blocks.cuh"

// Direct correlation of planes: a thread keeps ROWS by COLUMNS outputs in registers for all taps.
//
// The inputs of a block lie in shared memory. A thread goes along each of its rows with a window of
// inputs, and multiplies what it sees by the taps of up to ROWS rows.

// In a longer straight stretch of code, instructions come from memory. (Not a macro: `#pragma`
// would not replace it.)
constexpr int UNROLLED = HEIGHT * WIDTH <= 81 ? ROWS + HEIGHT - 1 : 1;
// As many as read while others compute, where registers allow it.
constexpr int BLOCKS = sizeof(NUMBER) > 4 ? 2 : HEIGHT * WIDTH <= 25 ? 4 : 3;
constexpr int TAPS_PITCH = whole_vectors(WIDTH);

// Multiplies all taps by what lies under them.
__device__ void multiply_all(const NUMBER *corner, const NUMBER *taps, Line<1> (&sums)[ROWS])
{
#pragma unroll UNROLLED
    for (int i = 0; i < ROWS + HEIGHT - 1; i++)
        along_row<1>(corner + i * PITCH, [&](int j, const Line<2> &window, auto count) {
#pragma unroll
            for (int r = 0; r < ROWS; r++)
                if (i >= r && i - r < HEIGHT)
                    multiply<decltype(count)::value>(
                        vector_at(taps + (i - r) * TAPS_PITCH + j), window, sums[r]);
        });
}

// The same with the inputs that exist only: a tap that is not finite makes NaN of the zeros around them.
__device__ void multiply_existing(
    const Part &part, const NUMBER *tile, const NUMBER *taps, Line<1> (&sums)[ROWS])
{
#pragma unroll 1
    for (int tap = 0; tap < HEIGHT * WIDTH; tap++) {
        const NUMBER factor = number_at(taps + tap / WIDTH * TAPS_PITCH + tap % WIDTH);
        const int top = threadIdx.y * ROWS + tap / WIDTH;
        const int left = threadIdx.x * COLUMNS + tap % WIDTH;
#pragma unroll
        for (int r = 0; r < ROWS; r++)
#pragma unroll
            for (int c = 0; c < COLUMNS; c++)
                if (part.has(top + r, left + c))
                    sums[r].at(c) += factor * number_at(tile + (top + r) * PITCH + left + c);
    }
}

// Weights are `channels` times HEIGHT times WIDTH.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) direct(
    const STORED *__restrict__ x, const NUMBER *__restrict__ weights, RESULT *__restrict__ y,
    long long x_image, long long x_channel, long long x_row, long long x_column,
    long long x_rows, long long x_columns, long long first_row, long long first_column,
    long long images, long long channels, long long channels_per_group,
    long long rows, long long columns)
{
    __shared__ __align__(16) NUMBER tile[TILE_ROWS * PITCH];
    __shared__ __align__(16) NUMBER taps[HEIGHT * TAPS_PITCH];
    __shared__ bool all_finite;
    const Planes p = {
        x_image, x_channel, x_row, x_column, x_rows, x_columns, first_row, first_column,
        images, channels, channels_per_group, rows, columns};
    const NUMBER *corner = tile + threadIdx.y * ROWS * PITCH + threadIdx.x * COLUMNS;

    for (int plane = blockIdx.z; plane < images * channels; plane += gridDim.z) {
        if (thread_of_block() == 0)
            all_finite = true;
        // Nobody may read what the last plane left any more.
        __syncthreads();
        const NUMBER *own = weights + plane % (int)channels * (HEIGHT * WIDTH);
        for (int i = thread_of_block(); i < HEIGHT * WIDTH; i += THREADS) {
            put_number(taps + i / WIDTH * TAPS_PITCH + i % WIDTH, own[i]);
            if (own[i] - own[i] != 0)
                all_finite = false;
        }
        bring(p, x, plane, tile);
        __syncthreads();

        Line<1> sums[ROWS] = {};
        if (all_finite)
            multiply_all(corner, taps, sums);
        else
            multiply_existing(part_of_inputs(p), tile, taps, sums);
        put(p, sums, plane, tile, y);
    }
}
