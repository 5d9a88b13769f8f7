package flights;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.SAXException;

/**
 * A place in HDFS, over WebHDFS: a few operations without Hadoop's jars, on a cluster without
 * Kerberos. A job of a real warehouse would use Hadoop's or Spark's own client.
 */
final class Hdfs extends Place {
    private static HttpClient client;

    private final String uri, path;
    private final List<String> namenodes;

    Hdfs(String uri) {
        int authority = uri.indexOf("://") + 3, slash = uri.indexOf('/', authority);
        String who = uri.substring(authority, slash < 0 ? uri.length() : slash);
        this.uri = uri;
        this.path = slash < 0 ? "/" : uri.substring(slash);
        this.namenodes = uri.startsWith("webhdfs:") ? List.of(who) : addresses(who);
    }

    private Hdfs(Hdfs parent, String name) {
        this.uri = parent.uri + "/" + name;
        this.path = parent.path + "/" + name;
        this.namenodes = parent.namenodes;
    }

    @Override
    Place resolve(String name) {
        return new Hdfs(this, name);
    }

    @Override
    boolean exists() throws IOException {
        try {
            ask("GET", path, "GETFILESTATUS");
            return true;
        } catch (NoSuchFileException e) {
            return false;
        }
    }

    @Override
    String text() throws IOException {
        HttpResponse<byte[]> answer = ask("GET", path, "OPEN");
        return new String(data(answer, "GET", BodyPublishers.noBody()), StandardCharsets.UTF_8);
    }

    /** Under a name that readers skip, then renamed. */
    @Override
    void write(String text) throws IOException {
        int name = path.lastIndexOf('/') + 1;
        String hidden = path.substring(0, name) + "_" + path.substring(name) + ".tmp";
        data(ask("PUT", hidden, "CREATE&overwrite=true"), "PUT", BodyPublishers.ofString(text));
        ask("PUT", hidden, "RENAME&renameoptions=OVERWRITE&destination=" + encoded(path));
    }

    @Override
    void delete() throws IOException {
        ask("DELETE", path, "DELETE");
    }

    @Override
    public String toString() {
        return uri;
    }

    /** An operation at the NameNode, of a pair at the active one. */
    private HttpResponse<byte[]> ask(String method, String at, String op) throws IOException {
        IOException last = null;
        for (String namenode : namenodes) {
            try {
                return send(method, "http://" + namenode + "/webhdfs/v1" + encoded(at) + "?op=" + op
                        + "&user.name=" + encoded(System.getProperty("user.name")),
                        BodyPublishers.noBody());
            } catch (Standby | ConnectException e) {
                last = e;
            }
        }
        throw new IOException(uri + ": no NameNode answers at " + String.join(", ", namenodes), last);
    }

    /** The second step, at the DataNode that the NameNode's answer names. */
    private byte[] data(HttpResponse<byte[]> answer, String method, BodyPublisher body)
            throws IOException {
        String where = answer.headers().firstValue("Location").orElse(null);
        if (where == null)
            throw new IOException(uri + ": the NameNode names no DataNode");
        return send(method, where, body).body();
    }

    private HttpResponse<byte[]> send(String method, String url, BodyPublisher body)
            throws IOException {
        if (client == null)
            client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        HttpRequest request = HttpRequest.newBuilder(URI.create(url)).method(method, body)
                .header("Content-Type", "application/octet-stream").build();
        HttpResponse<byte[]> answer;
        try {
            answer = client.send(request, BodyHandlers.ofByteArray());
        } catch (InterruptedException e) {
            throw new IOException(uri + ": interrupted", e);
        }
        if (answer.statusCode() < 400)
            return answer;
        String said = new String(answer.body(), StandardCharsets.UTF_8);
        if (said.contains("\"StandbyException\""))
            throw new Standby(said);
        if (said.contains("\"FileNotFoundException\""))
            throw new NoSuchFileException(uri);
        throw new IOException(uri + ": " + method + ": " + answer.statusCode() + " " + said);
    }

    private static final class Standby extends IOException {
        private static final long serialVersionUID = 1;

        Standby(String message) {
            super(message);
        }
    }

    private static String encoded(String text) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            boolean plain = b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
                    || "/-._~".indexOf(b) >= 0;
            out.writeBytes(plain ? new byte[] { b }
                    : new byte[] { '%', hex(b >> 4 & 15), hex(b & 15) });
        }
        return out.toString(StandardCharsets.US_ASCII);
    }

    private static byte hex(int digit) {
        return (byte) "0123456789ABCDEF".charAt(digit);
    }

    /** Where the NameNodes of hdfs://WHO answer HTTP, by $HADOOP_CONF_DIR/hdfs-site.xml. */
    private static List<String> addresses(String who) {
        List<String> found = new ArrayList<>();
        Map<String, String> site = site();
        String rpc = "dfs.namenode.rpc-address", http = "dfs.namenode.http-address";
        for (String name : site.keySet()) {
            boolean ours = name.startsWith(rpc + "." + who + ".")
                    || name.startsWith(rpc) && site.get(name).equals(who);
            String address = ours ? site.get(http + name.substring(rpc.length())) : null;
            if (address != null)
                found.add(address);
        }
        if (found.isEmpty())
            throw new Job.Usage("hdfs://" + who + " is not in $HADOOP_CONF_DIR/hdfs-site.xml");
        return found;
    }

    private static Map<String, String> site() {
        Map<String, String> site = new HashMap<>();
        String directory = System.getenv("HADOOP_CONF_DIR");
        if (directory == null)
            throw new Job.Usage("hdfs:// needs $HADOOP_CONF_DIR");
        try {
            NodeList properties = DocumentBuilderFactory.newInstance().newDocumentBuilder()
                    .parse(new File(directory, "hdfs-site.xml")).getElementsByTagName("property");
            for (int i = 0; i < properties.getLength(); i++) {
                Element property = (Element) properties.item(i);
                site.put(field(property, "name"), field(property, "value"));
            }
        } catch (IOException | SAXException | ParserConfigurationException e) {
            throw new Job.Usage(directory + "/hdfs-site.xml: " + e.getMessage());
        }
        return site;
    }

    private static String field(Element property, String name) {
        NodeList fields = property.getElementsByTagName(name);
        return fields.getLength() == 0 ? "" : fields.item(0).getTextContent().trim();
    }
}
