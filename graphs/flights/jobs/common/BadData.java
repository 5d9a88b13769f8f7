package flights;

/** Data that the job refuses: exit status 3. */
final class BadData extends Exception {
    private static final long serialVersionUID = 1;

    BadData(String message) {
        super(message);
    }
}
