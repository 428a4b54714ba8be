// Direct correlation of planes: a thread keeps ROWS by COLUMNS outputs in registers for all taps.
//
// A block of threads brings the inputs of its outputs into shared memory, with zeros where there
// are none. Columns of a thread lie BLOCK_X apart, so that neighbouring threads read neighbouring
// numbers. An input is read once for each column of taps, and multiplied into up to ROWS rows.
//
// Defined from outside: STORED and NUMBER, the types of inputs and of everything else; HEIGHT and
// WIDTH of the convolution kernel; ROWS, COLUMNS, BLOCK_X and BLOCK_Y.

#define THREADS (BLOCK_X * BLOCK_Y)
#define SPAN_Y (BLOCK_Y * ROWS)
#define SPAN_X (BLOCK_X * COLUMNS)
#define TILE_ROWS (SPAN_Y + HEIGHT - 1)
#define TILE_COLUMNS (SPAN_X + WIDTH - 1)
// In a longer straight stretch of code, instructions come from memory. (Not a macro: `#pragma`
// would not replace it.)
constexpr int UNROLLED = HEIGHT * WIDTH <= 81 ? ROWS + HEIGHT - 1 : 1;

// Distances are counted in numbers; `first_row` and `first_column` are those of the input that the
// first tap of the first output meets, and may be negative. Weights are `channels` times HEIGHT
// times WIDTH, outputs `images` times `channels` times `rows` times `columns`, both contiguous.
extern "C" __global__ void __launch_bounds__(THREADS, 2) direct(
    const STORED *__restrict__ x, const NUMBER *__restrict__ weights, NUMBER *__restrict__ y,
    long long x_image, long long x_channel, long long x_row, long long x_column,
    long long x_rows, long long x_columns, long long first_row, long long first_column,
    long long images, long long channels, long long channels_per_group,
    long long rows, long long columns)
{
    __shared__ NUMBER tile[TILE_ROWS * TILE_COLUMNS];
    __shared__ NUMBER taps[HEIGHT * WIDTH];
    const int thread = threadIdx.y * BLOCK_X + threadIdx.x;
    const int row = blockIdx.y * SPAN_Y, column = blockIdx.x * SPAN_X;
    const int planes = (int)(images * channels);

    for (int plane = blockIdx.z; plane < planes; plane += gridDim.z) {
        const int image = plane / (int)channels, channel = plane % (int)channels;
        const STORED *source =
            x + image * x_image + channel / (int)channels_per_group * x_channel;
        // Nobody may read the last plane's tile any more.
        __syncthreads();
        for (int i = thread; i < HEIGHT * WIDTH; i += THREADS)
            taps[i] = weights[(long long)channel * (HEIGHT * WIDTH) + i];
        for (int i = thread; i < TILE_ROWS * TILE_COLUMNS; i += THREADS) {
            const long long r = row + first_row + i / TILE_COLUMNS;
            const long long c = column + first_column + i % TILE_COLUMNS;
            const bool exists = r >= 0 && r < x_rows && c >= 0 && c < x_columns;
            tile[i] = exists ? (NUMBER)source[r * x_row + c * x_column] : (NUMBER)0;
        }
        __syncthreads();

        NUMBER sums[ROWS][COLUMNS] = {};
        const NUMBER *corner = tile + threadIdx.y * ROWS * TILE_COLUMNS + threadIdx.x;
#pragma unroll UNROLLED
        for (int i = 0; i < ROWS + HEIGHT - 1; i++) {
#pragma unroll
            for (int j = 0; j < WIDTH; j++) {
                NUMBER value[COLUMNS];
#pragma unroll
                for (int c = 0; c < COLUMNS; c++)
                    value[c] = corner[i * TILE_COLUMNS + c * BLOCK_X + j];
#pragma unroll
                for (int r = 0; r < ROWS; r++) {
                    if (i < r || i - r >= HEIGHT)
                        continue;
                    const NUMBER tap = taps[(i - r) * WIDTH + j];
#pragma unroll
                    for (int c = 0; c < COLUMNS; c++)
                        sums[r][c] += tap * value[c];
                }
            }
        }

#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            const long long to_row = row + threadIdx.y * ROWS + r;
            NUMBER *target = y + (plane * rows + to_row) * columns;
#pragma unroll
            for (int c = 0; c < COLUMNS; c++) {
                const long long to_column = column + threadIdx.x + c * BLOCK_X;
                if (to_row < rows && to_column < columns)
                    target[to_column] = sums[r][c];
            }
        }
    }
}
