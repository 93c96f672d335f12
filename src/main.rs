//! The `anteroom` program; see `anteroom::cli`.

fn main() -> std::process::ExitCode {
    anteroom::cli::main()
}
